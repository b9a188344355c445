"""The keys and certification authorities a verifier trusts (RFC 9334 section 4.1), prepared once for many uses."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.keys import PublicKey
from pki.keys import thumbprint as thumbprint_of_spki
from policyengine.attestation.errors import TrustAnchorError

MAX_KEYS = 64  # every key of the right type is tried, because nothing in evidence may choose one; so they are few
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 16, 128  # 128 bits of strength at least; no HMAC uses more than one block
MAX_CERTIFICATES = 1024  # authorities are found by name; a large operator has dozens of vendors with a few each

MlDsaKey = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
EvidenceKey = PublicKey | MlDsaKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A public key that may have signed evidence, with its SubjectPublicKeyInfo and the `sha256:` thumbprint of that.

    `kind` is the curve by its RFC 9053 name (`P-256`, `Ed25519`), or what else the key is. `read_from` is the
    SubjectPublicKeyInfo that `key` was loaded from: written again only where it could be another encoding.
    """

    key: EvidenceKey
    read_from: InitVar[bytes] = b""
    kind: str = field(init=False)
    spki: bytes = field(init=False, repr=False)
    thumbprint: str = field(init=False)

    def __post_init__(self, read_from: bytes) -> None:
        """Compute what every verification needs."""
        usual = is_usual(read_from)
        object.__setattr__(self, "kind", "P-256" if usual else _kind(self.key))
        object.__setattr__(self, "spki", read_from if usual else _spki_of(self.key))
        object.__setattr__(self, "thumbprint", thumbprint_of_spki(self.spki))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedKey:
    """A secret that a device shares with its verifier, for MACs; `thumbprint` names it and gives nothing away."""

    secret: bytes = field(repr=False)
    thumbprint: str = field(init=False)
    key: None = field(default=None, init=False, repr=False)  # there is no public key

    def __post_init__(self) -> None:
        """Compute the name; raises TrustAnchorError for a secret that could be guessed."""
        if not MIN_SECRET_BYTES <= len(self.secret) <= MAX_SECRET_BYTES:
            raise TrustAnchorError(f"a shared secret does not have {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")
        named = hmac.digest(self.secret, b"policyengine shared key v1", "sha256")
        object.__setattr__(self, "thumbprint", f"hmac:{named.hex()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchors:
    """Public keys that sign evidence themselves, and certificates that paths may end at.

    `certificates` are trust anchors for chains only; the key of a certificate signs evidence only if it is in `keys`.
    `secrets` authenticate messages with a MAC. Raises TrustAnchorError for more than MAX_KEYS or MAX_CERTIFICATES.
    """

    keys: tuple[EvidenceKey, ...] = ()
    certificates: tuple[x509.Certificate, ...] = ()
    secrets: tuple[SharedKey, ...] = ()
    signers: Mapping[str, tuple[TrustedKey, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the keys by kind."""
        if max(len(self.keys), len(self.secrets)) > MAX_KEYS or len(self.certificates) > MAX_CERTIFICATES:
            raise TrustAnchorError(f"more than {MAX_KEYS} keys or {MAX_CERTIFICATES} certificates as trust anchors")
        object.__setattr__(self, "signers", signers_of(self.keys))


def signers_of(keys: tuple[EvidenceKey, ...]) -> Mapping[str, tuple[TrustedKey, ...]]:
    """Return `keys` by kind, in order and without repetition."""
    trusted = {signer.thumbprint: signer for signer in (TrustedKey(key=key) for key in keys)}.values()
    found: dict[str, tuple[TrustedKey, ...]] = {}
    for signer in trusted:
        found[signer.kind] = (*found.get(signer.kind, ()), signer)
    return found


def thumbprint(key: EvidenceKey) -> str:
    """Return the name of a key everywhere in the product: `sha256:` over its SubjectPublicKeyInfo."""
    return thumbprint_of_spki(_spki_of(key))


# RFC 5480 section 2: a P-256 key as an uncompressed point, of which there is one encoding.
_USUAL_START = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_USUAL_BYTES = len(_USUAL_START) + 64


def is_usual(spki: bytes) -> bool:
    """Return whether `spki` is of the kind that nearly every device has; whether it is a key is for who loads it."""
    return len(spki) == _USUAL_BYTES and spki.startswith(_USUAL_START)


def _spki_of(key: EvidenceKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


_ML_DSA = {
    mldsa.MLDSA44PublicKey: "ML-DSA-44",
    mldsa.MLDSA65PublicKey: "ML-DSA-65",
    mldsa.MLDSA87PublicKey: "ML-DSA-87",
}


def _kind(key: EvidenceKey) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, key.curve.name)
    if isinstance(key, MlDsaKey):
        return next(name for kind, name in _ML_DSA.items() if isinstance(key, kind))
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "RSA"
