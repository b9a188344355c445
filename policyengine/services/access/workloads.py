"""Tokens of OpenID Connect issuers: what a CI pipeline shows instead of a secret of ours, and what a login brings.

In order, each refusal alike to whoever sent it (the log says which):

1. The token is a compact JWS whose payload names an issuer of the operator's document (`iss`).
2. A key of that issuer signed it, by an algorithm that the document allows (attestation/jose.py). An unknown `kid`
   makes the keys be fetched anew, at most as often as the key source allows.
3. `aud` is ours; where there are several, `azp` is too (OpenID Connect Core section 3.1.3.7).
4. It has begun and not ended, was not issued in the future, and lives no longer than MAX_LIFETIME.
5. A grant covers its claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.jose import Jws, check_jws, json_object, read_jws
from policyengine.attestation.jwk import JwkSet
from policyengine.attestation.signatures import BY_NAME
from policyengine.services.access.issuers import Issuer
from policyengine.services.actors import Principal
from policyengine.services.errors import UnauthenticatedError, UnavailableError
from policyengine.services.ports import Clock

CLOCK_SKEW = timedelta(seconds=30)
MAX_LIFETIME = timedelta(hours=24)  # a longer-lived one is a password that nobody here can revoke
MAX_TOKEN_BYTES = 16 * 1024  # with group claims, providers' tokens have some 4 kB

MAX_DATE = 2**40  # seconds; beyond the year 36000, and every clock of ours

_TYPES = frozenset({"jwt", "at+jwt"})  # RFC 7519 section 5.1, RFC 9068 section 2.1


class KeySource(Protocol):
    """Where issuers' keys come from."""

    def keys(self, issuer: Issuer, *, missing: str | None = None) -> JwkSet:
        """Return the issuer's published keys; with `missing`, fetched anew if that is not too soon.

        Raises UnavailableError when they were never fetched and cannot be.
        """
        ...


class NoKeys:
    """The key source of a server that believes no issuer."""

    def keys(self, issuer: Issuer, *, missing: str | None = None) -> JwkSet:  # noqa: ARG002 - the port's signature
        """Raise UnavailableError."""
        raise UnavailableError("no issuer's keys can be had", code="oidc.keys")


NOBODYS_KEYS = NoKeys()


class Workloads:
    """Believes tokens of the issuers that the operator named."""

    def __init__(self, issuers: Sequence[Issuer], source: KeySource, clock: Clock) -> None:
        self._issuers = {each.issuer: each for each in issuers}
        self._source = source
        self._clock = clock

    def authenticate(self, token: str) -> Principal:
        """Return whom the token is about, if a grant covers it. Raises UnauthenticatedError, UnavailableError."""
        message, claims = _opened(token)
        issuer = self._issuers.get(str(claims.get("iss")))
        if issuer is None:
            raise _refused()
        claims = self.believed(issuer, message, audience=issuer.audience)
        principal = issuer.principal(claims)
        if principal is None:
            raise _refused()
        return principal

    def claims_of(self, issuer: Issuer, token: str, *, audience: str) -> Mapping[str, Any]:
        """Return the claims of an issuer's token for `audience`. Raises as `authenticate` does."""
        message, _ = _opened(token)
        return self.believed(issuer, message, audience=audience)

    def believed(self, issuer: Issuer, message: Jws, *, audience: str) -> Mapping[str, Any]:
        """Return the claims of `message` once steps 2 to 4 have passed; raises UnauthenticatedError."""
        self._demand_signature(issuer, message)
        claims = _claims(message)
        if claims.get("iss") != issuer.issuer or not _is_for(claims, audience) or not self._is_now(claims):
            raise _refused()
        return claims

    def _demand_signature(self, issuer: Issuer, message: Jws) -> None:
        kid = message.header.get("kid")
        name = kid if isinstance(kid, str) else None
        found = self._source.keys(issuer)
        if name is not None and not found.knows(name):
            found = self._source.keys(issuer, missing=name)
        allowed = {each: BY_NAME[each] for each in issuer.algorithms}
        signed = check_jws(message, signers=found.named(name), algorithms=allowed, types=_TYPES)
        if signed.signer is None or any(check.result.value == "fail" for check in signed.checks):
            raise _refused()

    def _is_now(self, claims: Mapping[str, Any]) -> bool:
        now, skew = self._clock.now().timestamp(), CLOCK_SKEW.total_seconds()
        ends, issued = _time(claims, "exp"), _time(claims, "iat")
        begins = _time(claims, "nbf") if "nbf" in claims else issued
        if ends is None or issued is None or begins is None:
            return False
        return max(issued, begins) <= now + skew and now < ends and ends - issued <= MAX_LIFETIME.total_seconds()


def looks_like_token(text: str) -> bool:
    """Tell whether `text` has the three parts of a compact JWS, which no token of ours has."""
    return text.count(".") == 2


def _opened(token: str) -> tuple[Jws, Mapping[str, Any]]:
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        raise _refused()
    try:
        message = read_jws(token.encode())
    except MalformedEvidenceError as cause:
        raise _refused() from cause
    return message, _claims(message)


def _claims(message: Jws) -> Mapping[str, Any]:
    try:
        return json_object(message.payload, "the payload")
    except MalformedEvidenceError as cause:
        raise _refused() from cause


def _is_for(claims: Mapping[str, Any], audience: str) -> bool:
    said = claims.get("aud")
    if isinstance(said, list):
        return audience in said and (len(said) == 1 or claims.get("azp") == audience)
    return said == audience


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a NumericDate (RFC 7519 section 2); None for what is none."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < MAX_DATE else None


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("the token is unknown, expired or revoked")  # as for a token of ours: one answer
