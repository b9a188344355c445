"""Certificates of a TPM's keys that say what the key is for: an endorsement key (EK) or an attestation key (IAK)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from pki.certificates import load_certificate, thumbprint
from pki.chain import ValidatedPath, validate_path
from pki.errors import DerError, PathError
from pki.path_rules import PathRules
from pki.reading import extension
from policyengine.attestation.checks import Check, Requirement
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm.keys import thumbprint_of
from policyengine.attestation.tpm.structures import PublicArea


class Kind(NamedTuple):
    """Which certificates are meant: the part they come in, the purpose they must state, and what is demanded of them.

    `code` is that of MalformedEvidenceError for bytes that are no certificates.
    """

    part: str
    code: str
    purpose: str
    chain: Requirement
    states: Requirement
    key: Requirement


class JudgedCertificate(NamedTuple):
    """The three checks of a chain; `path` is None unless the chain holds and states its purpose."""

    checks: tuple[Check, Check, Check]
    path: ValidatedPath | None


def judge_certificate(
    kind: Kind,
    public: PublicArea | None,
    chain: tuple[bytes, ...],
    *,
    anchors: tuple[x509.Certificate, ...],
    now: datetime,
) -> JudgedCertificate:
    """Return what becomes of the `chain` of the key `public`, leaf first; raises MalformedEvidenceError `kind.code`."""
    certificates = tuple([_certificate(kind, each) for each in chain])
    path, checks = _path(kind, certificates, anchors, now)
    return JudgedCertificate(checks=(*checks, _key(kind, public, certificates)), path=path)


def _certificate(kind: Kind, encoded: bytes) -> x509.Certificate:
    try:
        return load_certificate(encoded)
    except PathError as cause:
        raise MalformedEvidenceError(kind.code, f"in `{kind.part}`, {cause.message}") from cause


def _path(
    kind: Kind, certificates: tuple[x509.Certificate, ...], anchors: tuple[x509.Certificate, ...], now: datetime
) -> tuple[ValidatedPath | None, tuple[Check, Check]]:
    if not certificates:
        return None, (kind.chain.absent, kind.states.absent)
    leaf, *intermediates = certificates
    rules = PathRules(purpose=kind.purpose)
    try:
        path = validate_path(leaf, intermediates=intermediates, anchors=anchors, at=now, rules=rules)
    except PathError as refused:
        if refused.code == "path.purpose":  # the last of all rules: every other one held
            return None, (kind.chain.passed, kind.states.failed(refused.message))
        return None, (kind.chain.failed(f"{refused.code}: {refused.message}"), kind.states.unreached)
    if not _states(leaf, kind.purpose):
        return None, (kind.chain.passed, kind.states.failed("no extended key usage"))
    return path, (kind.chain.passed, kind.states.passed)


def _states(leaf: x509.Certificate, purpose: str) -> bool:
    stated = extension(leaf.extensions, x509.ExtendedKeyUsage)
    return stated is not None and x509.ObjectIdentifier(purpose) in stated.value


def _key(kind: Kind, public: PublicArea | None, certificates: tuple[x509.Certificate, ...]) -> Check:
    if public is None or not certificates:
        return kind.key.absent
    try:
        certified = thumbprint(certificates[0])
    except DerError as refused:
        return kind.key.failed(refused.message)
    same = thumbprint_of(public) == certified
    return kind.key.passed if same else kind.key.failed(f"a certificate for {certified}")
