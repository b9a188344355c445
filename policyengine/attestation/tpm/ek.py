"""Endorsement keys: the certificate a TPM's vendor gave one, and what it says of the TPM (TCG EK Credential Profile).

A chain proves that a genuine TPM has the EK. That an attestation key lives in the same TPM is proven once, by
credential activation (`credential`), and shown again in every quote by its qualified signer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509

from pki.certificates import load_certificate, printable, thumbprint
from pki.chain import ValidatedPath, validate_path
from pki.errors import DerError, PathError
from pki.path_rules import PathRules
from pki.reading import extension
from policyengine.attestation.checks import Check, Requirement
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm.keys import lacking, thumbprint_of
from policyengine.attestation.tpm.structures import (
    DECRYPT,
    FIXED_PARENT,
    FIXED_TPM,
    MAX_CACHED,
    RESTRICTED,
    SENSITIVE_DATA_ORIGIN,
    SIGN,
    PublicArea,
)

EK_PURPOSE = "2.23.133.8.1"  # tcg-kp-EKCertificate
_PATH = PathRules(purpose=EK_PURPOSE)
# A storage key: it decrypts only credentials for keys beside it, and nothing else leaves the TPM through it.
_REQUIRED = RESTRICTED | DECRYPT | FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN

CHAIN = Requirement(
    id="tpm.ek-chain", clause="TCG EK Credential Profile section 3.2", expected="a chain to a trusted TPM vendor"
)
PURPOSE = Requirement(
    id="tpm.ek-purpose",
    clause="TCG EK Credential Profile section 3.2",
    expected=f"extended key usage {EK_PURPOSE} (tcg-kp-EKCertificate)",
)
KEY = Requirement(
    id="tpm.ek-key", clause="TCG EK Credential Profile section 3.2", expected="a certificate for the EK shown"
)
ATTRIBUTES = Requirement(
    id="tpm.ek-attributes",
    clause="TPM 2.0 Part 2 section 8.3",
    expected="restricted, decrypt, fixedTPM, fixedParent, sensitiveDataOrigin, not sign",
)


class JudgedEndorsement(NamedTuple):
    """The checks of an EK and its chain; `path` is None unless the chain holds and is for EK certificates."""

    checks: tuple[Check, ...]
    path: ValidatedPath | None


def judge_endorsement(
    ek: PublicArea | None, chain: tuple[bytes, ...], *, anchors: tuple[x509.Certificate, ...], now: datetime
) -> JudgedEndorsement:
    """Return what becomes of the EK a device shows; raises MalformedEvidenceError for certificates that are none."""
    if not chain:
        return _without_chain(ek)
    certificates = tuple([_certificate(each) for each in chain])
    path, chain_checks = _path(certificates, anchors, now)
    return JudgedEndorsement(checks=(*chain_checks, _key(ek, certificates), _attributes(ek)), path=path)


@lru_cache(maxsize=MAX_CACHED)
def _without_chain(ek: PublicArea | None) -> JudgedEndorsement:
    return JudgedEndorsement(checks=(CHAIN.absent, PURPOSE.absent, KEY.absent, _attributes(ek)), path=None)


def _certificate(encoded: bytes) -> x509.Certificate:
    try:
        return load_certificate(encoded)
    except PathError as cause:
        raise MalformedEvidenceError("tpm.ek-certificate", f"in `ek_chain`, {cause.message}") from cause


def _path(
    certificates: tuple[x509.Certificate, ...], anchors: tuple[x509.Certificate, ...], now: datetime
) -> tuple[ValidatedPath | None, tuple[Check, Check]]:
    leaf, *intermediates = certificates
    try:
        path = validate_path(leaf, intermediates=intermediates, anchors=anchors, at=now, rules=_PATH)
    except PathError as refused:
        if refused.code == "path.purpose":  # the last of all rules: every other one held
            return None, (CHAIN.passed, PURPOSE.failed(refused.message))
        return None, (CHAIN.failed(f"{refused.code}: {refused.message}"), PURPOSE.unreached)
    if not _states_purpose(leaf):
        return None, (CHAIN.passed, PURPOSE.failed("no extended key usage"))
    return path, (CHAIN.passed, PURPOSE.passed)


def _states_purpose(leaf: x509.Certificate) -> bool:
    stated = extension(leaf.extensions, x509.ExtendedKeyUsage)
    return stated is not None and x509.ObjectIdentifier(EK_PURPOSE) in stated.value


def _key(ek: PublicArea | None, certificates: tuple[x509.Certificate, ...]) -> Check:
    if ek is None:
        return KEY.absent
    try:
        certified = thumbprint(certificates[0])
    except DerError as refused:
        return KEY.failed(refused.message)
    same = thumbprint_of(ek) == certified
    return KEY.passed if same else KEY.failed(f"a certificate for {certified}")


@lru_cache(maxsize=MAX_CACHED)
def _attributes(ek: PublicArea | None) -> Check:
    if ek is None:
        return ATTRIBUTES.absent
    wrong = lacking(ek, required=_REQUIRED, forbidden=SIGN)
    return ATTRIBUTES.failed(wrong) if wrong else ATTRIBUTES.passed


# TCG EK Credential Profile section 3.2.9: attributes of a directory name among the alternative names.
_TPM_ATTRIBUTES: Mapping[str, str] = {
    "2.23.133.2.1": "manufacturer",
    "2.23.133.2.2": "model",
    "2.23.133.2.3": "version",
}


def tpm_identity(certificate: x509.Certificate) -> dict[str, str]:
    """Return `manufacturer`, `model` and `version` as an EK certificate states them; what it does not is absent."""
    names = extension(certificate.extensions, x509.SubjectAlternativeName)
    if names is None:
        return {}
    found: dict[str, str] = {}
    for directory in names.value.get_values_for_type(x509.DirectoryName):
        for attribute in directory:
            name = _TPM_ATTRIBUTES.get(attribute.oid.dotted_string)
            if name and isinstance(attribute.value, str):
                found.setdefault(name, printable(attribute.value))
    return found
