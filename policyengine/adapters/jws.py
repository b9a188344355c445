"""The key that signs attestation results: ES256, its header written once (RFC 7515, RFC 7518 section 3.4).

joserfc describes the key and names it; the messages are put together here, and tests read them with joserfc.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from policyengine.decision.facts_json import canonical_without_floats, quick_canonical
from policyengine.model.base64url import base64url

_ALGORITHM, _SIZE = "ES256", 32  # bytes of each of the two numbers of a signature
_ECDSA = ec.ECDSA(hashes.SHA256())


class ResultKey:
    """A P-256 key of its own, never a CA's; implements the ResultSigner port."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        described = ECKey.import_key(key, {"use": "sig", "alg": _ALGORITHM})
        JWSRegistry.algorithms[_ALGORITHM].check_key(described)
        self._key = key
        self._public = described.as_dict(private=False)
        self._kid = described.thumbprint()
        self._header = base64url(quick_canonical({"alg": _ALGORITHM, "kid": self._kid, "typ": "eat+jwt"}))

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return `claims` as a compact JWS whose header names the key (RFC 7638 thumbprint).

        No floating point number may stand in `claims`. The compact form (RFC 7515 section 5.1) is put together here,
        because joserfc writes and checks header and key anew for each message, at the cost of a second signature, and
        takes its time to spell the two numbers of one.
        """
        return self._signed(self._header, canonical_without_floats(dict(claims)))

    def sign_as(self, kind: str, claims: Mapping[str, object]) -> str:
        """Return `claims` as a compact JWS of type `kind`."""
        return self.sign_with({"alg": _ALGORITHM, "kid": self._kid, "typ": kind}, claims)

    def sign_with(self, header: Mapping[str, object], claims: Mapping[str, object]) -> str:
        """Return `claims` as a compact JWS under a header of the caller's, which names another type."""
        return self._signed(base64url(quick_canonical(dict(header))), quick_canonical(dict(claims)))

    def _signed(self, header: str, claims: bytes) -> str:
        signed = f"{header}.{base64url(claims)}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), _ECDSA))
        return f"{signed}.{base64url(r.to_bytes(_SIZE, 'big') + s.to_bytes(_SIZE, 'big'))}"

    def jwks(self) -> Mapping[str, object]:
        """Return the public key as a JWK Set (RFC 7517)."""
        return {"keys": [{**self._public, "kid": self._kid}]}
