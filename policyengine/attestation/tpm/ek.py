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

from pki.certificates import printable
from pki.chain import ValidatedPath
from pki.reading import extension
from policyengine.attestation.checks import Check, Requirement
from policyengine.attestation.tpm.certified import Kind, judge_certificate
from policyengine.attestation.tpm.keys import lacking
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
_EK = Kind(part="ek_chain", code="tpm.ek-certificate", purpose=EK_PURPOSE, chain=CHAIN, states=PURPOSE, key=KEY)


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
    judged = judge_certificate(_EK, ek, chain, anchors=anchors, now=now)
    return JudgedEndorsement(checks=(*judged.checks, _attributes(ek)), path=judged.path)


@lru_cache(maxsize=MAX_CACHED)
def _without_chain(ek: PublicArea | None) -> JudgedEndorsement:
    return JudgedEndorsement(checks=(CHAIN.absent, PURPOSE.absent, KEY.absent, _attributes(ek)), path=None)


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
