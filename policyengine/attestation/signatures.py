"""Signature algorithms of COSE and JOSE, each with the one kind of key we let it use.

The key's type always equals the algorithm's, so no key is ever used in a way its owner did not mean. ECDSA signatures
are r and s, each as long as the curve's order (RFC 9053 section 2.1, RFC 7518 section 3.4); RSASSA-PSS has a salt as
long as its hash (RFC 8230 section 2); ML-DSA is used without context (draft-ietf-cose-dilithium section 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from pki.errors import KeyRefusedError
from pki.keys import require_sound_rsa
from policyengine.attestation.anchors import TrustedKey
from policyengine.attestation.checks import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """A signature algorithm: COSE id and name, the kind of key, and the signature's `size` in bytes (RSA: the key's).

    `parameters` are what the key's `verify` takes after signature and data.
    """

    id: int
    name: str
    kind: str
    size: int | None
    parameters: tuple[Any, ...] = ()
    is_ecdsa: bool = False


class Signed(NamedTuple):
    """The checks of a message. `signer` is None unless the signature of that trusted key verified."""

    checks: tuple[Check, ...]
    signer: TrustedKey | None
    algorithm: Algorithm | None


def _ecdsa(identifier: int, name: str, kind: str, size: int, digest: HashAlgorithm) -> Algorithm:
    return Algorithm(id=identifier, name=name, kind=kind, size=size, parameters=(ec.ECDSA(digest),), is_ecdsa=True)


def _pss(identifier: int, name: str, digest: HashAlgorithm) -> Algorithm:
    scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    return Algorithm(id=identifier, name=name, kind="RSA", size=None, parameters=(scheme, digest))


def _pkcs1(identifier: int, name: str, digest: HashAlgorithm) -> Algorithm:
    return Algorithm(id=identifier, name=name, kind="RSA", size=None, parameters=(padding.PKCS1v15(), digest))


ES256 = _ecdsa(-7, "ES256", "P-256", 64, SHA256())
ES384 = _ecdsa(-35, "ES384", "P-384", 96, SHA384())
ES512 = _ecdsa(-36, "ES512", "P-521", 132, SHA512())
EDDSA = Algorithm(id=-8, name="EdDSA", kind="Ed25519", size=64)
# RFC 9864: the same algorithms under names that say the curve.
ESP256 = _ecdsa(-9, "ESP256", "P-256", 64, SHA256())
ESP384 = _ecdsa(-51, "ESP384", "P-384", 96, SHA384())
ESP512 = _ecdsa(-52, "ESP512", "P-521", 132, SHA512())
ED25519 = Algorithm(id=-19, name="Ed25519", kind="Ed25519", size=64)
PS256, PS384, PS512 = _pss(-37, "PS256", SHA256()), _pss(-38, "PS384", SHA384()), _pss(-39, "PS512", SHA512())
RS256, RS384, RS512 = _pkcs1(-257, "RS256", SHA256()), _pkcs1(-258, "RS384", SHA384()), _pkcs1(-259, "RS512", SHA512())
ML_DSA_44 = Algorithm(id=-48, name="ML-DSA-44", kind="ML-DSA-44", size=2420)  # FIPS 204 table 2
ML_DSA_65 = Algorithm(id=-49, name="ML-DSA-65", kind="ML-DSA-65", size=3309)
ML_DSA_87 = Algorithm(id=-50, name="ML-DSA-87", kind="ML-DSA-87", size=4627)

ALL: tuple[Algorithm, ...] = (
    *(ES256, ES384, ES512, EDDSA, ESP256, ESP384, ESP512, ED25519),
    *(PS256, PS384, PS512, RS256, RS384, RS512, ML_DSA_44, ML_DSA_65, ML_DSA_87),
)
BY_ID: Mapping[int, Algorithm] = {each.id: each for each in ALL}
# JOSE has the same names (RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864).
BY_NAME: Mapping[str, Algorithm] = {each.name: each for each in ALL}


def signer_of(
    signature: bytes, signed: bytes, algorithm: Algorithm, candidates: Iterable[TrustedKey]
) -> TrustedKey | None:
    """Return the first of `candidates`, all of the algorithm's kind, that made `signature` over `signed`, or None."""
    if algorithm.size is not None and len(signature) != algorithm.size:
        return None
    half = len(signature) // 2
    wire = ecdsa_der(signature[:half], signature[half:]) if algorithm.is_ecdsa else signature
    for candidate in candidates:
        key: Any = candidate.key  # INVARIANT: of the algorithm's kind, so `parameters` are its own
        if candidate.kind == "RSA" and not _is_sound(key):
            continue
        try:
            key.verify(wire, signed, *algorithm.parameters)
        except InvalidSignature:
            continue
        return candidate
    return None


def ecdsa_der(r: bytes, s: bytes) -> bytes:
    """Return the ECDSA-Sig-Value (RFC 3279 section 2.2.3) of two big-endian numbers of at most 66 bytes, P-521's size.

    NOTE: by hand, because `cryptography` takes numbers, and to make them of bytes takes twice as long as all of this.
    """
    first, second = _unsigned(r), _unsigned(s)
    numbers = b"\x02%c%b\x02%c%b" % (len(first), first, len(second), second)
    return (b"\x30%c%b" if len(numbers) < 0x80 else b"\x30\x81%c%b") % (len(numbers), numbers)


def _unsigned(number: bytes) -> bytes:
    """Return a big-endian number as the content of an INTEGER, which is minimal and never looks negative."""
    digits = number.lstrip(b"\x00")
    return digits if digits and digits[0] < 0x80 else b"\x00" + digits


def _is_sound(key: rsa.RSAPublicKey) -> bool:
    try:
        require_sound_rsa(key)
    except KeyRefusedError:
        return False
    return True
