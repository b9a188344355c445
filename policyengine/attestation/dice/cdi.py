"""CDI certificates of the Open Profile for DICE in CBOR: a CWT in COSE_Sign1 for each layer, root first.

Open Profile for DICE v2.5, "CBOR UDS Certificates" and "CBOR CDI Certificates". As with X.509, a chain is exactly what
was sent: each certificate names its issuer, is signed by the key of the one before it, and the first by a trusted key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pki.keys import PublicKey
from policyengine.attestation import cbor
from policyengine.attestation.anchors import TrustAnchors, TrustedKey, signers_of
from policyengine.attestation.checks import Check, failures
from policyengine.attestation.cose import TAG as COSE_TAG
from policyengine.attestation.cose import ForeignEnvelope, check_sign1, read_sign1
from policyengine.attestation.dice.certificate import KEPT, MAX_BYTES, public_key
from policyengine.attestation.dice.layers import Layer, open_dice_layers
from policyengine.attestation.dice.rules import CHAIN, KEY_USAGE, SIGNATURES
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.signatures import EDDSA, ES256, ES384, ES512, Algorithm

MAX_CERTIFICATES = 8  # as for X.509: a deeper chain is refused, not followed

ALGORITHMS: Mapping[int, Algorithm] = {each.id: each for each in (ES256, ES384, ES512, EDDSA)}

_ISSUER, _SUBJECT = 1, 2
_CODE, _CONFIGURATION, _AUTHORITY = -4670545, -4670547, -4670549
_CONFIGURATION_DESCRIPTOR = -4670548
_MODE, _PUBLIC_KEY, _KEY_USAGE = -4670551, -4670552, -4670553
_KEY_CERT_SIGN = 1 << 5  # RFC 5280 section 4.2.1.3, bit 5, in a little-endian bit string

_read_claims = cbor.reader()


@dataclass(frozen=True, slots=True, kw_only=True)
class CdiCertificate:
    """One certificate, nothing of it believed. `layers` is empty for a UDS certificate, which measures nothing."""

    encoded: bytes
    issuer: str
    subject: str
    key: TrustedKey
    may_certify: bool
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCdiChain:
    """The checks of a chain; `root` is the trusted key that signed the first certificate, None if none did."""

    checks: tuple[Check, Check, Check]
    certificates: tuple[CdiCertificate, ...]
    root: TrustedKey | None


@lru_cache(maxsize=KEPT)
def read_cdi_certificate(encoded: bytes) -> CdiCertificate:
    """Return the certificate in `encoded`; raises MalformedEvidenceError `dice.certificate` or of the doors below."""
    if len(encoded) > MAX_BYTES:
        raise _refused(f"a certificate is larger than {MAX_BYTES} bytes")
    message = read_sign1(encoded)
    claims = None if isinstance(message, ForeignEnvelope) else _read_claims(message.payload)
    if type(claims) is not dict:
        raise _refused("a CDI certificate is not a COSE_Sign1 over a map of claims")
    issuer, subject, usage = claims.get(_ISSUER), claims.get(_SUBJECT), claims.get(_KEY_USAGE)
    if not isinstance(issuer, str) or not isinstance(subject, str) or not issuer or not subject:
        raise _refused("issuer and subject are not texts")
    if type(usage) is not bytes or not 1 <= len(usage) <= 4:
        raise _refused("key usage is not a bit string")
    return CdiCertificate(
        encoded=encoded,
        issuer=issuer,
        subject=subject,
        key=TrustedKey(key=_public_key(claims.get(_PUBLIC_KEY))),
        may_certify=bool(int.from_bytes(usage, "little") & _KEY_CERT_SIGN),
        layers=_layers(claims),
    )


def _layers(claims: Mapping[Any, Any]) -> tuple[Layer, ...]:
    measured = {"code": claims.get(_CODE), "configuration": _configuration(claims), "authority": claims.get(_AUTHORITY)}
    if all(value is None for value in measured.values()) and _MODE not in claims:
        return ()
    if any(value is not None and type(value) is not bytes for value in measured.values()):
        raise _refused("a hash is not a byte string")
    return open_dice_layers(measured, _mode(claims.get(_MODE)), refuse=_refused)


def _configuration(claims: Mapping[Any, Any]) -> Any:
    """Return the configuration's hash; a descriptor of 64 bytes without one is the value itself (same section)."""
    if _CONFIGURATION in claims:
        return claims[_CONFIGURATION]
    inline = claims.get(_CONFIGURATION_DESCRIPTOR)
    return inline if type(inline) is bytes and len(inline) == 64 else None


def _mode(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is bytes and len(value) == 1:
        return value[0]
    if type(value) is int and 0 <= value <= 255:
        return value
    raise _refused("mode is neither a byte nor a number")


# COSE_Key, RFC 9052 section 7 and RFC 9053 section 7: kty 1, alg 3, key_ops 4; crv -1, x -2, y -3; verify is 2.
_KTY, _ALG, _KEY_OPS, _CRV, _X, _Y = 1, 3, 4, -1, -2, -3
_OKP, _EC2, _VERIFY = 1, 2, 2
_CURVES: Mapping[int, tuple[ec.EllipticCurve, int, Algorithm]] = {
    1: (ec.SECP256R1(), 32, ES256),
    2: (ec.SECP384R1(), 48, ES384),
    3: (ec.SECP521R1(), 66, ES512),
}
_ED25519 = 6


def _public_key(content: Any) -> PublicKey:
    fields = _read_claims(content) if type(content) is bytes else None
    if type(fields) is not dict:
        raise _refused("the subject's public key is not a COSE_Key")
    kind, curve = fields.get(_KTY), fields.get(_CRV)
    if type(kind) is not int or type(curve) is not int:
        raise _refused("the subject's public key has no type and curve by number")
    if kind == _OKP and curve == _ED25519:
        key, algorithm = _edwards(fields), EDDSA
    elif kind == _EC2 and curve in _CURVES:
        key, algorithm = _weierstrass(fields, *_CURVES[curve][:2]), _CURVES[curve][2]
    else:
        raise _refused("the subject's public key is of a kind that is not believed")
    uses = fields.get(_KEY_OPS, (_VERIFY,))
    if not isinstance(uses, list | tuple) or _VERIFY not in uses or fields.get(_ALG, algorithm.id) != algorithm.id:
        raise _refused("the subject's public key is for another algorithm or use")
    return key


def _edwards(fields: Mapping[Any, Any]) -> PublicKey:
    try:
        return ed25519.Ed25519PublicKey.from_public_bytes(fields[_X])
    except (KeyError, TypeError, ValueError, UnsupportedAlgorithm) as cause:
        raise _refused("the subject's Ed25519 key is not 32 bytes") from cause


def _weierstrass(fields: Mapping[Any, Any], curve: ec.EllipticCurve, size: int) -> PublicKey:
    x, y = fields.get(_X), fields.get(_Y)
    if type(x) is not bytes or type(y) is not bytes or len(x) != size or len(y) != size:
        raise _refused("the subject's key is not two coordinates as long as its curve's")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)
    except ValueError as cause:
        raise _refused("the subject's key is no point of its curve") from cause


def judge_cdi_chain(certificates: tuple[CdiCertificate, ...], *, anchors: TrustAnchors) -> JudgedCdiChain:
    """Return what becomes of a chain, root first. Leading certificates of a trusted key itself (UDS) may be there."""
    trusted = {each.spki: each for kind in anchors.signers.values() for each in kind}
    chain = _below_trusted(certificates, trusted)
    if not chain:
        failed = CHAIN.failed("no certificate below a trusted key")
        return JudgedCdiChain(
            checks=(failed, SIGNATURES.unreached, KEY_USAGE.unreached), certificates=certificates, root=None
        )
    root = next((each for each in trusted.values() if _signed(chain[0], each)), None)
    own = root is not None and chain[-1].key.spki == root.spki
    named = CHAIN.failed("the leaf is its own authority") if own else _names(chain)
    checks = (named, _signatures(chain, root), _usage(chain))
    return JudgedCdiChain(checks=checks, certificates=chain, root=root)


def _below_trusted(
    certificates: tuple[CdiCertificate, ...], trusted: Mapping[bytes, TrustedKey]
) -> tuple[CdiCertificate, ...]:
    known = [position for position, each in enumerate(certificates[:-1]) if each.key.spki in trusted]
    return certificates[known[-1] + 1 :] if known else certificates


def _names(chain: tuple[CdiCertificate, ...]) -> Check:
    for position, (above, each) in enumerate(pairwise(chain), start=1):
        if each.issuer != above.subject:
            return CHAIN.failed(f"certificate {position} names another issuer than the one before it")
    return CHAIN.passed


def _signatures(chain: tuple[CdiCertificate, ...], root: TrustedKey | None) -> Check:
    if root is None:
        return SIGNATURES.failed("no trusted key signed certificate 0")
    for position, (above, each) in enumerate(pairwise(chain), start=1):
        if not _signed(each, above.key):
            return SIGNATURES.failed(f"the key before it did not sign certificate {position}")
    return SIGNATURES.passed


def _usage(chain: tuple[CdiCertificate, ...]) -> Check:
    for position, each in enumerate(chain[:-1]):
        if not each.may_certify:
            return KEY_USAGE.failed(f"certificate {position} may not sign certificates")
    return KEY_USAGE.passed


def _signed(certificate: CdiCertificate, by: TrustedKey) -> bool:
    try:
        _demand_signature(certificate.encoded, by.spki)
    except _UnsignedError:
        return False
    return True


class _UnsignedError(Exception):
    """The key did not sign the certificate."""


@lru_cache(maxsize=KEPT)  # only signatures that hold are kept: refusals are raised
def _demand_signature(encoded: bytes, spki: bytes) -> None:
    key = public_key(spki)
    by = () if key is None else (key,)
    signed = check_sign1(read_sign1(encoded), signers=signers_of(by), algorithms=ALGORITHMS)
    # The profile's certificates carry no tag; every other requirement of COSE_Sign1 holds for them too.
    wrong = [check for check in failures(signed.checks) if check.id != COSE_TAG.id]
    if signed.signer is None or wrong:
        raise _UnsignedError


def _refused(reason: str) -> MalformedEvidenceError:
    return MalformedEvidenceError("dice.certificate", reason)
