"""The path of a DICE certificate chain, leaf first, to an authority or a device key that is trusted.

Our own rules (RFC 5280 section 6, TCG DICE Attestation Architecture section 5): a device makes all but the topmost of
these certificates itself, so a path is exactly the chain as sent, each certificate signed by the next; nothing is
searched, reordered or left out. It ends at the first certificate that

* was issued by an anchor certificate (its name and its signature), or
* was signed by an anchor key: the key of the next certificate sent or, for the last one, a key known beforehand.

`judge_path` lists every rule. A leaf is never its own authority: what it says of the firmware needs another signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from pki.keys import thumbprint
from pki.signatures import SignatureRefusedError, check_signature
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import Check, Requirement
from policyengine.attestation.dice.certificate import (
    DIGITAL_SIGNATURE,
    KEPT,
    KEY_CERT_SIGN,
    DiceCertificate,
    public_key,
    read_certificate,
)
from policyengine.attestation.dice.rules import (
    BASIC_CONSTRAINTS,
    CHAIN,
    CRITICAL,
    DEVICE_ID,
    KEY_IDENTIFIERS,
    KEY_USAGE,
    PATH_LENGTH,
    SIGNATURES,
    VALIDITY,
)
from policyengine.attestation.errors import MalformedEvidenceError

_OF_PATHS: tuple[Requirement, ...] = (
    VALIDITY,
    BASIC_CONSTRAINTS,
    PATH_LENGTH,
    KEY_USAGE,
    CRITICAL,
    KEY_IDENTIFIERS,
    DEVICE_ID,
)


Anchor = tuple[x509.Certificate, DiceCertificate]  # as it was given to us, and as we read it


class DicePath(NamedTuple):
    """Certificates whose signatures lead from the leaf to something trusted; the rules may still refuse them.

    `authority` is the anchor's certificate as we read it, None where it is a bare key, the key of `authority_spki`.
    """

    certificates: tuple[DiceCertificate, ...]
    authority: DiceCertificate | None
    authority_certificate: x509.Certificate | None
    authority_spki: bytes

    @property
    def issuers(self) -> tuple[DiceCertificate, ...]:
        """Every certificate that signed another one, the anchor's last."""
        above = self.certificates[1:]
        return above if self.authority is None else (*above, self.authority)

    @property
    def anchor(self) -> str:
        """The anchor's name for people: its subject or, for a bare key, the thumbprint."""
        found = self.authority_certificate
        return thumbprint(self.authority_spki) if found is None else _name(found)


class JudgedPath(NamedTuple):
    """The checks of a chain; `path` is None unless its signatures lead to something trusted."""

    checks: tuple[Check, ...]
    path: DicePath | None


def judge_path(chain: tuple[DiceCertificate, ...], *, anchors: TrustAnchors, now: datetime) -> JudgedPath:
    """Return what becomes of `chain`, leaf first, at `now`. Work: a signature a link, and one for each anchor tried."""
    found = _found(chain, anchors)
    if isinstance(found, DicePath) and found.certificates[0].spki == found.authority_spki:
        found = (CHAIN.failed("the leaf is its own authority"), SIGNATURES.unreached)
    if not isinstance(found, DicePath):
        return JudgedPath(checks=(*found, *(rule.unreached for rule in _OF_PATHS)), path=None)
    checks = (
        CHAIN.passed,
        SIGNATURES.passed,
        _validity(found, now),
        _basic_constraints(found),
        _path_length(found),
        _key_usage(found),
        _critical(found),
        _key_identifiers(found),
        _device_id(found),
    )
    return JudgedPath(checks=checks, path=found)


def _found(chain: tuple[DiceCertificate, ...], anchors: TrustAnchors) -> DicePath | tuple[Check, Check]:
    if not chain:
        return CHAIN.failed("no certificates"), SIGNATURES.unreached
    trusted = frozenset([each.spki for kind in anchors.signers.values() for each in kind])
    named = _by_name(anchors.certificates) if anchors.certificates else {}
    for position, each in enumerate(chain):
        above = chain[position + 1] if position + 1 < len(chain) else None
        end = _end(chain[: position + 1], above, named.get(each.issuer, ()), trusted)
        if end is not None:
            return end
        if above is None:
            break
        if above.subject != each.issuer:
            return CHAIN.failed(
                f"certificate {position} names another issuer than the next one's"
            ), SIGNATURES.unreached
        if not _signed(each, above.spki):
            return CHAIN.passed, SIGNATURES.failed(f"the next certificate's key did not sign certificate {position}")
    if chain[-1].issuer in named:
        return CHAIN.passed, SIGNATURES.failed("the anchor of that name did not sign the last certificate")
    return CHAIN.failed("the last certificate is issued by nothing that is trusted"), SIGNATURES.unreached


def _end(
    below: tuple[DiceCertificate, ...],
    above: DiceCertificate | None,
    anchors: tuple[Anchor, ...],
    trusted: frozenset[bytes],
) -> DicePath | None:
    """Return the path if the last certificate of `below` has a trusted issuer; `anchors` are those of its name."""
    last = below[-1]
    for certificate, anchor in anchors:
        if _signed(last, anchor.spki):
            return DicePath(below, anchor, certificate, anchor.spki)
    if above is not None:
        known = above.subject == last.issuer and above.spki in trusted and _signed(last, above.spki)
        return _below_key(below, above.spki) if known else None
    signer = next((spki for spki in sorted(trusted) if _signed(last, spki)), None)
    return None if signer is None else _below_key(below, signer)


def _below_key(certificates: tuple[DiceCertificate, ...], spki: bytes) -> DicePath:
    return DicePath(certificates, None, None, spki)


@lru_cache(maxsize=1024)  # as many as there may be anchors
def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


@lru_cache(maxsize=64)  # as many bundles as may be in force at once; asked of every chain, so not of each certificate
def _by_name(certificates: tuple[x509.Certificate, ...]) -> Mapping[bytes, tuple[Anchor, ...]]:
    """Return the anchors by the exact encoding of their names, those of one name in order."""
    found: dict[bytes, tuple[Anchor, ...]] = {}
    for certificate in certificates:
        anchor = read_certificate(certificate.public_bytes(Encoding.DER))
        found[anchor.subject] = (*found.get(anchor.subject, ()), (certificate, anchor))
    return found


def _signed(certificate: DiceCertificate, issuer: bytes) -> bool:
    try:
        _demand_signature(certificate.encoded, issuer)
    except (InvalidSignature, SignatureRefusedError):
        return False
    return True


@lru_cache(maxsize=KEPT)  # only signatures that hold are kept: refusals are raised
def _demand_signature(encoded: bytes, issuer: bytes) -> None:
    certificate = read_certificate(encoded)
    key = public_key(issuer)
    check_signature(key, oid=certificate.algorithm, signature=certificate.signature, data=certificate.tbs)


def _validity(path: DicePath, now: datetime) -> Check:
    moment = now.astimezone(UTC).replace(microsecond=0)  # certificates know whole seconds, both ends included
    for position, each in enumerate((*path.certificates, *path.issuers[-1:])):
        if not each.not_before <= moment <= each.not_after:
            return VALIDITY.failed(
                f"certificate {position} is valid from {each.not_before:%Y-%m-%dT%H:%M:%SZ} to "
                f"{each.not_after:%Y-%m-%dT%H:%M:%SZ}"
            )
    return VALIDITY.passed


def _basic_constraints(path: DicePath) -> Check:
    for position, each in enumerate(path.issuers, start=1):
        if not each.extensions.ca:
            return BASIC_CONSTRAINTS.failed(f"certificate {position} is no CA and issued certificate {position - 1}")
    return BASIC_CONSTRAINTS.passed


def _path_length(path: DicePath) -> Check:
    """Return whether each issuer has no more CAs below it than it allows (RFC 5280 section 6.1.4 (l), (m))."""
    for below, each in enumerate(path.issuers):
        if each.extensions.path_length is not None and below > each.extensions.path_length:
            return PATH_LENGTH.failed(
                f"certificate {below + 1} allows {each.extensions.path_length} CAs below it, and has {below}"
            )
    return PATH_LENGTH.passed


def _key_usage(path: DicePath) -> Check:
    for position, each in enumerate(path.issuers, start=1):
        if each.extensions.key_usage is not None and KEY_CERT_SIGN not in each.extensions.key_usage:
            return KEY_USAGE.failed(f"certificate {position} may not sign certificates")
    leaf = path.certificates[0].extensions
    if leaf.key_usage is None:
        return KEY_USAGE.passed
    if KEY_CERT_SIGN in leaf.key_usage and not leaf.ca:
        return KEY_USAGE.failed("certificate 0 has keyCertSign and is no CA")
    # NOTE: the Open Profile for DICE gives every layer keyCertSign alone, also the last, which signs for itself.
    may_sign = DIGITAL_SIGNATURE in leaf.key_usage or (leaf.open_dice and KEY_CERT_SIGN in leaf.key_usage)
    return KEY_USAGE.passed if may_sign else KEY_USAGE.failed("certificate 0 may not sign the challenge")


def _critical(path: DicePath) -> Check:
    for position, each in enumerate((*path.certificates, *path.issuers[-1:])):
        if each.extensions.not_understood:
            return CRITICAL.failed(f"certificate {position} has {', '.join(each.extensions.not_understood)}")
    return CRITICAL.passed


def _key_identifiers(path: DicePath) -> Check:
    for position, (each, above) in enumerate(zip(path.certificates, path.issuers, strict=False)):
        both = each.extensions.authority_key_id is not None and above.extensions.subject_key_id is not None
        if both and each.extensions.authority_key_id != above.extensions.subject_key_id:
            return KEY_IDENTIFIERS.failed(f"certificate {position} names another key of its issuer")
    return KEY_IDENTIFIERS.passed


def _device_id(path: DicePath) -> Check:
    """Return whether the device identity that RIoT repeats in the leaf is the key that issued it."""
    issuers = (*[each.spki for each in path.certificates[1:]], path.authority_spki)
    stated = False
    for each, issuer in zip(path.certificates, issuers, strict=True):
        if each.extensions.composite is not None and each.extensions.composite.device_id != issuer:
            return DEVICE_ID.failed("the CompositeDeviceID holds another key than the one that issued the certificate")
        stated = stated or each.extensions.composite is not None
    return DEVICE_ID.passed if stated else DEVICE_ID.absent


def read_chain(certificates: tuple[bytes, ...]) -> tuple[DiceCertificate, ...]:
    """Return `certificates` read, leaf first; raises MalformedEvidenceError."""
    if not certificates:
        raise MalformedEvidenceError("dice.certificate", "there is no certificate")
    return tuple(read_certificate(each) for each in certificates)
