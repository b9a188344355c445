"""Which public keys may be certified, and what is known of one; an allow-list by exact encoding.

A key is accepted only when its SubjectPublicKeyInfo is byte for byte the one canonical encoding of a key on the list.
That single comparison refuses explicit curve parameters, compressed points, RSASSA-PSS keys and trailing bytes alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from pki.der import SEQUENCE, children, whole
from pki.errors import DerError, KeyRefusedError

MAX_SPKI_BYTES = 1100  # an RSA-8192 key is 1,062 bytes; nothing on the list is larger
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192  # BSI TR-02102-1: 2048 at least; above 8192 verification is a way to stall us
MIN_RSA_EXPONENT = 65537  # NIST SP 800-56B: smaller exponents, e=1 above all, make forgeries cheap
KEPT_IDENTIFIERS = 64  # written into a certificate and looked for by lint right after
KEY_IDENTIFIER_SIZE = 20  # octets: the leftmost 160 bits
RSA_BITS_STEP = 8  # odd moduli lengths come from broken generators

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class KeyType(Enum):
    """A kind of key that a profile may allow; the value is its name in profiles and facts."""

    P256 = "p256"
    P384 = "p384"
    ED25519 = "ed25519"
    RSA = "rsa"


_CURVES = {"secp256r1": KeyType.P256, "secp384r1": KeyType.P384}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectKey:
    """A public key on the allow-list: its type, size in bits, and exact SubjectPublicKeyInfo."""

    type: KeyType
    bits: int
    spki: bytes

    @property
    def thumbprint(self) -> str:
        """`sha256:` over the SubjectPublicKeyInfo."""
        return thumbprint(self.spki)

    @property
    def identifier(self) -> bytes:
        """The key identifier: leftmost 160 bits of SHA-256 over the key bits (RFC 7093 section 2 method 1)."""
        return key_identifier(self.spki)


def thumbprint(spki: bytes) -> str:
    """Return the name of a key everywhere in the product: `sha256:` over its SubjectPublicKeyInfo."""
    return "sha256:" + hashlib.sha256(spki).hexdigest()


@lru_cache(maxsize=KEPT_IDENTIFIERS)
def key_identifier(spki: bytes) -> bytes:
    """Return RFC 7093 section 2 method 1 over `spki`; raises DerError if it is no SubjectPublicKeyInfo."""
    return hashlib.sha256(key_bits(spki)).digest()[:KEY_IDENTIFIER_SIZE]


def key_bits(spki: bytes) -> bytes:
    """Return the key itself, the content of subjectPublicKey; raises DerError if it is no SubjectPublicKeyInfo."""
    parts = children(whole(spki, SEQUENCE).content)
    if len(parts) != 2:
        raise DerError("a SubjectPublicKeyInfo has two parts")
    return parts[1].content[1:]


def spki_of(key: PublicKey) -> bytes:
    """Return the canonical SubjectPublicKeyInfo of `key`."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def subject_key(spki: bytes) -> SubjectKey:
    """Return what `spki` says, if it is the canonical encoding of a key on the allow-list.

    Raises KeyRefusedError with code `key.malformed`, `key.encoding`, `key.type`, `key.curve` or `key.rsa-*`.
    """
    return accepted_key(spki)[0]


def accepted_key(spki: bytes) -> tuple[SubjectKey, PublicKey]:
    """Return what `subject_key` does, and the key itself, ready to verify with; raises as that does."""
    if len(spki) > MAX_SPKI_BYTES:
        raise KeyRefusedError(f"public key is larger than {MAX_SPKI_BYTES} bytes", code="key.malformed")
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise KeyRefusedError("public key cannot be read", code="key.malformed") from cause
    accepted = _accepted(key, spki)
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
        raise KeyRefusedError("public key is not in the canonical encoding of its type", code="key.encoding")
    return accepted


def _accepted(key: object, spki: bytes) -> tuple[SubjectKey, PublicKey]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        kind, bits = _CURVES.get(key.curve.name), key.key_size
        if kind is None:
            raise KeyRefusedError(f"curve `{key.curve.name}` is not allowed", code="key.curve")
        return SubjectKey(type=kind, bits=bits, spki=spki), key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return SubjectKey(type=KeyType.ED25519, bits=256, spki=spki), key
    if isinstance(key, rsa.RSAPublicKey):
        require_sound_rsa(key)
        return SubjectKey(type=KeyType.RSA, bits=key.key_size, spki=spki), key
    raise KeyRefusedError(f"key type `{type(key).__name__}` is not allowed", code="key.type")


def require_sound_rsa(key: rsa.RSAPublicKey) -> None:
    """Return if modulus length and exponent are sound; raises KeyRefusedError `key.rsa-size` or `key.rsa-exponent`."""
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS or key.key_size % RSA_BITS_STEP:
        raise KeyRefusedError(f"RSA modulus of {key.key_size} bits is not allowed", code="key.rsa-size")
    exponent = key.public_numbers().e
    if exponent < MIN_RSA_EXPONENT or exponent % 2 == 0:
        raise KeyRefusedError(f"RSA exponent {exponent} is not allowed", code="key.rsa-exponent")


def described(key: object) -> tuple[str, int | None]:
    """Return (type, bits) of any readable key, for facts and explanations; it need not be on the allow-list."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        known = _CURVES.get(key.curve.name)
        return (known.value if known else key.curve.name), key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return KeyType.ED25519.value, 256
    if isinstance(key, rsa.RSAPublicKey):
        return KeyType.RSA.value, key.key_size
    return type(key).__name__.removesuffix("PublicKey").lower(), None
