"""Credential activation: a secret that only the TPM with this EK can read, and only if it holds this AK.

TPM 2.0 Part 1 section 24 (make credential) with KDFa and KDFe of section 11.4 and the secret exchanges of
annexes B.10 (RSA) and C.6 (ECC). A device that returns the secret has proven that the key with this name is loaded
in the TPM whose EK it is; nothing else ties the two together. Entropy is an argument.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm import algorithms
from policyengine.attestation.tpm.keys import key_of
from policyengine.attestation.tpm.structures import PublicArea

ENTROPY_BYTES = 80  # a seed of 64 bytes for SHA-512 at most, or a P-521 scalar and 8 bytes against its bias
MAX_SECRET = 32  # a TPM2B_DIGEST of SHA-256, which every EK can wrap

_AES, _CFB = 0x0006, 0x0043
_AES_BITS = frozenset({128, 192, 256})
_STORAGE, _INTEGRITY, _IDENTITY = b"STORAGE", b"INTEGRITY", b"IDENTITY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What goes to the device for TPM2_ActivateCredential: a TPM2B_ID_OBJECT and a TPM2B_ENCRYPTED_SECRET."""

    id_object: bytes
    encrypted_secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ek:
    """An EK that can wrap: its hash, the bits of its AES, its key."""

    hash: algorithms.Hash
    bits: int
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def make_credential(ek: PublicArea, *, name: bytes, secret: bytes, entropy: bytes) -> Credential:
    """Return `secret` (at most MAX_SECRET bytes) wrapped for the TPM with `ek`, if it holds the key named `name`.

    `entropy` is ENTROPY_BYTES fresh random bytes. The caller has checked the EK's certificate and both attributes.
    Raises MalformedEvidenceError `tpm.ek` for an EK that cannot wrap.
    """
    if len(entropy) != ENTROPY_BYTES or not 0 < len(secret) <= MAX_SECRET:
        raise ValueError("entropy or secret has the wrong length")
    wrapping = _wrapping(ek)
    seed, encrypted_secret = _shared_seed(wrapping, entropy)
    key = kdfa(wrapping.hash, seed, _STORAGE, name, wrapping.bits)
    # CFB without an IV: the key is used once (Part 1 section 24.4)
    encryptor = Cipher(AES(key), CFB(bytes(16))).encryptor()
    identity = encryptor.update(_sized(secret)) + encryptor.finalize()
    mac_key = kdfa(wrapping.hash, seed, _INTEGRITY, b"", 8 * wrapping.hash.size)
    integrity = hmac.digest(mac_key, identity + name, wrapping.hash.bank)
    return Credential(
        id_object=_sized(_sized(integrity) + identity),
        encrypted_secret=_sized(encrypted_secret),
    )


def _wrapping(ek: PublicArea) -> _Ek:
    believed, cipher, key = algorithms.BELIEVED.get(ek.name_hash), ek.symmetric, key_of(ek)
    usable = cipher.algorithm == _AES and cipher.mode == _CFB and cipher.bits in _AES_BITS
    if believed is None or not usable or not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise MalformedEvidenceError("tpm.ek", "the EK wraps with no AES in CFB mode, or is named by a weak hash")
    return _Ek(hash=believed, bits=cipher.bits, key=key)


def _shared_seed(ek: _Ek, entropy: bytes) -> tuple[bytes, bytes]:
    """Return the seed and what tells it to the TPM, without its size prefix."""
    if isinstance(ek.key, rsa.RSAPublicKey):
        seed = entropy[: ek.hash.size]
        masked = oaep(ek.hash, ek.key.key_size // 8, seed, label=_IDENTITY + b"\x00", salt=_salt(ek.hash, entropy))
        numbers = ek.key.public_numbers()
        number = pow(int.from_bytes(masked, "big"), numbers.e, numbers.n)
        return seed, number.to_bytes(len(masked), "big")
    return _exchanged(ek.hash, ek.key, entropy)


def _salt(hash_: algorithms.Hash, entropy: bytes) -> bytes:
    """Return OAEP's salt: independent of the seed that the same entropy gives, and as unpredictable."""
    return hmac.digest(entropy, b"policyengine oaep salt v1", hash_.bank)


def oaep(hash_: algorithms.Hash, size: int, message: bytes, *, label: bytes, salt: bytes) -> bytes:
    """Return EME-OAEP of `message` for a modulus of `size` bytes (RFC 8017 section 7.1.1), the salt given."""
    block = hash_.digest(label) + bytes(size - 2 * hash_.size - 2 - len(message)) + b"\x01" + message
    masked = _xor(block, _mgf1(hash_, salt, len(block)))
    return b"\x00" + _xor(salt, _mgf1(hash_, masked, hash_.size)) + masked


def _mgf1(hash_: algorithms.Hash, seed: bytes, size: int) -> bytes:
    blocks = -(-size // hash_.size)
    return b"".join([hash_.digest(seed + number.to_bytes(4, "big")) for number in range(blocks)])[:size]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes([one ^ other for one, other in zip(left, right, strict=True)])


def _exchanged(hash_: algorithms.Hash, key: ec.EllipticCurvePublicKey, entropy: bytes) -> tuple[bytes, bytes]:
    """One-pass Diffie-Hellman with an ephemeral key (Part 1 annex C.6)."""
    scalar = int.from_bytes(entropy, "big") % (key.curve.group_order - 1) + 1  # FIPS 186-5 appendix A.2.1
    ephemeral = ec.derive_private_key(scalar, key.curve)
    shared = ephemeral.exchange(ec.ECDH(), key)
    (x, y), (static_x, _) = _coordinates(ephemeral.public_key()), _coordinates(key)
    return kdfe(hash_, shared, _IDENTITY, x, static_x), _sized(x) + _sized(y)


def _coordinates(key: ec.EllipticCurvePublicKey) -> tuple[bytes, bytes]:
    numbers, size = key.public_numbers(), (key.key_size + 7) // 8
    return numbers.x.to_bytes(size, "big"), numbers.y.to_bytes(size, "big")


def kdfa(hash_: algorithms.Hash, key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """Return KDFa (Part 1 section 11.4): SP 800-108 in counter mode with HMAC; `bits` is a multiple of 8."""
    fixed = label + b"\x00" + context + bits.to_bytes(4, "big")
    blocks = -(-bits // (8 * hash_.size))
    made = [hmac.digest(key, counter.to_bytes(4, "big") + fixed, hash_.bank) for counter in range(1, blocks + 1)]
    return b"".join(made)[: bits // 8]


def kdfe(hash_: algorithms.Hash, shared: bytes, label: bytes, ephemeral_x: bytes, static_x: bytes) -> bytes:
    """Return KDFe for one digest's length (Part 1 section 11.4): SP 800-56A's concatenation KDF, one round."""
    counter = (1).to_bytes(4, "big")
    return hashlib.new(hash_.bank, counter + shared + label + b"\x00" + ephemeral_x + static_x).digest()


def _sized(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content
