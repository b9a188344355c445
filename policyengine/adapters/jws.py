"""The key that signs attestation results: ES256 through joserfc, its algorithm fixed."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

_ALGORITHM = "ES256"


class ResultKey:
    """A P-256 key of its own, never a CA's; implements the ResultSigner port."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = ECKey.import_key(key, {"use": "sig", "alg": _ALGORITHM})
        self._header = {"alg": _ALGORITHM, "kid": self._key.thumbprint(), "typ": "eat+jwt"}

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return `claims` as a compact JWS whose header names the key (RFC 7638 thumbprint)."""
        return jwt.encode(dict(self._header), dict(claims), self._key, algorithms=[_ALGORITHM])

    def jwks(self) -> Mapping[str, object]:
        """Return the public key as a JWK Set (RFC 7517)."""
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self._header["kid"]}]}
