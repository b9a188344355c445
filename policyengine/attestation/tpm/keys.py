"""TPM keys as names and as public keys: what a name commits to, and where in its hierarchy a key stands."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.serialization import load_der_public_key

from pki import der, keys
from pki.keys import PublicKey
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm import algorithms
from policyengine.attestation.tpm.structures import ATTRIBUTE_NAMES, MAX_CACHED, PublicArea

ENDORSEMENT = (0x4000000B).to_bytes(4, "big")  # TPM_RH_ENDORSEMENT (Part 2 section 7.4)

_RSA_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")  # rsaEncryption, NULL (RFC 3279 section 2.3.1)


@lru_cache(maxsize=MAX_CACHED)
def name_of(public: PublicArea) -> bytes | None:
    """Return the name: nameAlg and the digest of the public area (Part 1 section 16); None for a hash not believed."""
    believed = algorithms.BELIEVED.get(public.name_hash)
    return None if believed is None else _identified(believed, believed.digest(public.encoded))


@lru_cache(maxsize=MAX_CACHED)
def qualified_name(parent: bytes, public: PublicArea) -> bytes | None:
    """Return the qualified name of `public` below `parent`: another qualified name, or the handle of a hierarchy."""
    name, believed = name_of(public), algorithms.BELIEVED.get(public.name_hash)
    if name is None or believed is None:
        return None
    return _identified(believed, believed.digest(parent + name))


def _identified(believed: algorithms.Hash, digest: bytes) -> bytes:
    return believed.id.to_bytes(2, "big") + digest


def lacking(public: PublicArea, *, required: int, forbidden: int) -> str | None:
    """Return what is wrong with the attributes of a key, in the names of Part 2 section 8.3, or None."""
    missing = [f"not {name}" for bit, name in ATTRIBUTE_NAMES.items() if required & bit and not public.attributes & bit]
    excess = [name for bit, name in ATTRIBUTE_NAMES.items() if forbidden & bit and public.attributes & bit]
    return ", ".join([*missing, *excess]) or None


@lru_cache(maxsize=MAX_CACHED)
def thumbprint_of(public: PublicArea) -> str | None:
    """Return the `sha256:` thumbprint of the key in `public`, or None for a curve that is not believed."""
    spki = spki_of(public)
    return None if spki is None else keys.thumbprint(spki)


def spki_of(public: PublicArea) -> bytes | None:
    """Return the SubjectPublicKeyInfo of the key in `public`, or None for a curve that is not believed.

    Whether the point is on its curve is not asked: these bytes are only ever compared with those of a key that was
    loaded, or loaded themselves by `key_of`.
    """
    if public.type == algorithms.RSA:
        modulus, exponent = int.from_bytes(public.unique[0], "big"), public.exponent
        key = der.sequence(der.integer(modulus), der.integer(exponent))
        return der.sequence(_RSA_ALGORITHM, der.bit_string(key))
    curve = algorithms.CURVES.get(public.size)
    if curve is None or any(len(coordinate) > curve.size for coordinate in public.unique):
        return None
    x, y = (coordinate.rjust(curve.size, b"\x00") for coordinate in public.unique)
    return curve.spki_prefix + x + y


def key_of(public: PublicArea) -> PublicKey:
    """Return the key in `public`; raises MalformedEvidenceError `tpm.key` if it is none that can be used."""
    spki = spki_of(public)
    if spki is None:
        raise MalformedEvidenceError("tpm.key", f"curve {public.size:#06x} is not believed")
    try:
        key = load_der_public_key(spki)
    except ValueError as cause:
        raise MalformedEvidenceError("tpm.key", "the public key is not one") from cause
    return key  # type: ignore[return-value]  # spki_of writes RSA and EC keys only
