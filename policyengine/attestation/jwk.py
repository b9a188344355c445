"""JWK Sets (RFC 7517) as trusted keys, strictly: public keys for signatures, of kinds that algorithms of ours use.

What is no such key is left out, as section 5 asks of readers; a set that is none, or larger than the limits, is an
error. Nothing in a key is followed: not `x5u`, not `x5c`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pki.errors import KeyRefusedError
from pki.keys import require_sound_rsa
from policyengine.attestation.anchors import EvidenceKey, TrustedKey
from policyengine.errors import PolicyEngineError
from policyengine.model.base64url import from_base64url
from policyengine.model.strict_json import InvalidJsonError, read_json

MAX_BYTES = 256 * 1024  # the largest published sets have a dozen keys with chains, some 30 kB
MAX_KEYS = 64
MAX_RSA_BYTES = 1024  # RSA-8192; a larger one costs a verifier more than anybody gains

_CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


class JwkSetError(PolicyEngineError):
    """Bytes that are no JWK Set."""

    code = "jwks.malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JwkSet:
    """Keys with the names they are published under; `kid` is None for a key without a name."""

    keys: tuple[tuple[str | None, TrustedKey], ...]

    def named(self, kid: str | None) -> Mapping[str, tuple[TrustedKey, ...]]:
        """Return by kind the keys that a header with this `kid` may mean; without one, all."""
        found: dict[str, list[TrustedKey]] = defaultdict(list)
        for name, key in self.keys:
            if kid is None or name == kid:
                found[key.kind].append(key)
        return {kind: tuple(keys) for kind, keys in found.items()}

    def knows(self, kid: str) -> bool:
        """Tell whether a key of that name is published."""
        return any(name == kid for name, _ in self.keys)


def read_jwk_set(content: bytes) -> JwkSet:
    """Return the signature keys of a JWK Set; raises JwkSetError."""
    try:
        document = read_json(content, max_bytes=MAX_BYTES)
    except InvalidJsonError as cause:
        raise JwkSetError(f"not one strict JSON document: {cause.message}") from cause
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise JwkSetError("a JWK Set is an object with a list `keys`")
    if len(listed) > MAX_KEYS:
        raise JwkSetError(f"more than {MAX_KEYS} keys")
    return JwkSet(keys=tuple(found for each in listed if (found := _named_key(each)) is not None))


def _named_key(document: object) -> tuple[str | None, TrustedKey] | None:
    if not isinstance(document, dict) or document.get("use", "sig") != "sig":
        return None
    key, kid = _key(document), document.get("kid")
    if key is None or not (kid is None or isinstance(kid, str)):
        return None
    return kid, TrustedKey(key=key)


def _key(document: Mapping[str, Any]) -> EvidenceKey | None:
    if {"d", "k", "p", "q"} & document.keys():  # a private key that somebody published is nobody's any more
        return None
    try:
        match document.get("kty"):
            case "EC":
                return _elliptic(document)
            case "OKP" if document.get("crv") == "Ed25519":
                return Ed25519PublicKey.from_public_bytes(_bytes(document, "x"))
            case "RSA":
                return _rsa(document)
            case _:
                return None
    except (ValueError, KeyRefusedError):
        return None  # numbers that are no key


def _elliptic(document: Mapping[str, Any]) -> EvidenceKey | None:
    curve = _CURVES.get(str(document.get("crv")))
    if curve is None:
        return None
    point = b"\x04" + _bytes(document, "x") + _bytes(document, "y")
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)


def _rsa(document: Mapping[str, Any]) -> EvidenceKey:
    modulus, exponent = _bytes(document, "n"), _bytes(document, "e")
    if len(modulus) > MAX_RSA_BYTES:
        raise ValueError("the modulus is too large")
    key = rsa.RSAPublicNumbers(n=int.from_bytes(modulus, "big"), e=int.from_bytes(exponent, "big")).public_key()
    require_sound_rsa(key)
    return key


def _bytes(document: Mapping[str, Any], name: str) -> bytes:
    value = document.get(name)
    content = from_base64url(value) if isinstance(value, str) else None
    if not content:
        raise ValueError(f"{name} is not base64url")
    return content
