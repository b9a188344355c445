"""The key that signs attestation results: ES256 by joserfc, its algorithm fixed and its header written once."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from policyengine.decision.facts_json import quick_canonical
from policyengine.model.base64url import base64url

_ALGORITHM = "ES256"


class ResultKey:
    """A P-256 key of its own, never a CA's; implements the ResultSigner port."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = ECKey.import_key(key, {"use": "sig", "alg": _ALGORITHM})
        self._algorithm = JWSRegistry.algorithms[_ALGORITHM]
        self._algorithm.check_key(self._key)
        self._kid = self._key.thumbprint()
        self._header = base64url(quick_canonical({"alg": _ALGORITHM, "kid": self._kid, "typ": "eat+jwt"}))

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return `claims` as a compact JWS whose header names the key (RFC 7638 thumbprint).

        The compact form (RFC 7515 section 5.1) is put together here, because joserfc writes and checks header and key
        anew for each message, at the cost of a second signature.
        """
        return self._signed(self._header, claims)

    def sign_as(self, kind: str, claims: Mapping[str, object]) -> str:
        """Return `claims` as a compact JWS of type `kind`."""
        return self.sign_with({"alg": _ALGORITHM, "kid": self._kid, "typ": kind}, claims)

    def sign_with(self, header: Mapping[str, object], claims: Mapping[str, object]) -> str:
        """Return `claims` as a compact JWS under a header of the caller's, which names another type."""
        return self._signed(base64url(quick_canonical(dict(header))), claims)

    def _signed(self, header: str, claims: Mapping[str, object]) -> str:
        signed = f"{header}.{base64url(quick_canonical(dict(claims)))}"
        return f"{signed}.{base64url(self._algorithm.sign(signed.encode(), self._key))}"

    def jwks(self) -> Mapping[str, object]:
        """Return the public key as a JWK Set (RFC 7517)."""
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self._kid}]}
