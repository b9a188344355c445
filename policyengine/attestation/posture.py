"""Posture tokens read: whether a device may pass, by a JWT of a policyengine server and its published keys alone.

In order, each check with its id:

1. `jose.typ` to `jose.signature`: the type is that of posture tokens and is there, the algorithm is ES256, and a
   published key made the signature (attestation/jose.py).
2. `posture.claims`: the claims have their types.
3. `posture.audience`: it is for whoever relies on it (RFC 7519 section 4.1.3).
4. `posture.purpose`: it is for what is asked.
5. `posture.time`: it has begun and not ended; half-open, as every limit here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from policyengine.attestation.checks import failures
from policyengine.attestation.jose import check_jws, json_object, read_jws
from policyengine.attestation.jwk import JwkSet
from policyengine.attestation.signatures import ES256
from policyengine.errors import CodedError

TYPE = "policyengine-posture+jwt"

CLOCK_SKEW = timedelta(seconds=30)  # two clocks set by NTP; a token that begins later than that is not for now

_TEXTS = ("iss", "aud", "sub", "jti", "purpose", "tier")
_TIMES = ("iat", "nbf", "exp")
MAX_TIME = 253_402_300_799  # the end of year 9999, where clocks of ours end


class PostureError(CodedError):
    """The token is not to be believed; `code` is the check that failed."""

    code = "posture.claims"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenPosture:
    """What a believed token says. `certificate` is the thumbprint that the device's TLS must show (RFC 8705)."""

    issuer: str
    device_id: str
    purpose: str
    tier: str
    decision: str | None
    expires_at: datetime
    certificate: str | None


def read_posture(token: bytes, *, keys: JwkSet, audience: str, purpose: str, now: datetime) -> ProvenPosture:
    """Return what `token` says, if it is to be believed for `purpose` at `now`.

    Raises PostureError with the id of the check, MalformedEvidenceError for bytes that are no JWS.
    """
    message = read_jws(token)
    kid = message.header.get("kid")
    signers = keys.named(kid if isinstance(kid, str) else None)
    signed = check_jws(message, signers=signers, algorithms={"ES256": ES256}, types=frozenset({TYPE}))
    failed = failures(signed.checks)
    if failed:
        raise PostureError(f"{failed[0].id}: expected {failed[0].expected}", code=failed[0].id)
    if signed.signer is None:
        raise PostureError("no published key made the signature", code="jose.signature")
    if "typ" not in message.header:  # the type is what keeps attestation results of the same key apart
        raise PostureError(f"the type is absent, it must be {TYPE}", code="jose.typ")
    return _believed(json_object(message.payload, "the payload"), audience, purpose, now)


def _believed(claims: Mapping[str, Any], audience: str, purpose: str, now: datetime) -> ProvenPosture:
    _demand_types(claims)
    if claims["aud"] != audience:
        raise PostureError("the token is for somebody else", code="posture.audience")
    if claims["purpose"] != purpose:
        raise PostureError("the token is for another purpose", code="posture.purpose")
    begins, ends = _moment(max(claims["nbf"], claims["iat"])), _moment(claims["exp"])
    if not begins - CLOCK_SKEW <= now < ends:
        raise PostureError("the token has ended" if now >= ends else "the token has not begun", code="posture.time")
    return ProvenPosture(
        issuer=claims["iss"],
        device_id=claims["sub"],
        purpose=claims["purpose"],
        tier=claims["tier"],
        decision=claims.get("decision"),
        expires_at=ends,
        certificate=_certificate(claims),
    )


def _demand_types(claims: Mapping[str, Any]) -> None:
    wrong = [name for name in _TEXTS if not isinstance(claims.get(name), str)]
    wrong += [name for name in _TIMES if not (type(claims.get(name)) is int and 0 <= claims[name] <= MAX_TIME)]
    if not isinstance(claims.get("decision", ""), str):
        wrong.append("decision")
    if wrong:
        raise PostureError(f"claim `{wrong[0]}` is missing or has another type", code="posture.claims")


def _certificate(claims: Mapping[str, Any]) -> str | None:
    if "cnf" not in claims:
        return None
    bound = claims["cnf"]
    thumbprint = bound.get("x5t#S256") if isinstance(bound, dict) else None
    if not isinstance(thumbprint, str):  # bound to something that cannot be checked here is not unbound
        raise PostureError("claim `cnf` names no certificate thumbprint", code="posture.claims")
    return thumbprint


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
