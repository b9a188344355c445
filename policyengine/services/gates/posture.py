"""Posture tokens: that a device may pass for one purpose, to one audience, for a few minutes; checked without us.

A JWT (RFC 7519) by the key of attestation results, of its own type, so that neither passes for the other:

    {"iss", "aud", "sub": device id, "jti", "iat", "nbf", "exp", "purpose", "tier", "decision", "bundle",
     "cnf": {"x5t#S256": thumbprint of the device's certificate}}

Whoever relies on it checks type, signature, audience, purpose and time (attestation/posture.py); where the device
connects with TLS, also that its certificate is the one of `cnf` (RFC 8705 section 3.1), so that nobody else's
connection can use a token that was seen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.attestation.posture import TYPE
from policyengine.model.base64url import base64url
from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal
from policyengine.services.checkins.attestation_result import Audience
from policyengine.services.errors import InvalidRequestError, UnavailableError
from policyengine.services.gates.gate import Answer, Gate, Question
from policyengine.services.ports import Clock, Entropy, ResultSigner

MAX_LIFETIME = timedelta(minutes=5)  # how long a token may outlive a quarantine where nobody asks us again
TOKEN_ID_BYTES = 16

_AUDIENCE = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """A token and when it ends."""

    token: str
    device_id: DeviceId
    purpose: str
    audience: str
    expires_at: datetime


class Postures:
    """Makes posture tokens of open answers; of any other there is none."""

    def __init__(self, gate: Gate, clock: Clock, entropy: Entropy, *, signer: ResultSigner, audience: Audience) -> None:
        self._gate = gate
        self._clock = clock
        self._entropy = entropy
        self._signer = signer
        self._audience = audience

    async def issue(self, asker: Principal, question: Question, *, audience: str | None) -> Posture:
        """Return a token for `audience` (None: whom attestation results are for).

        Raises RefusedError with the gate's code when it is shut, and what `Gate.ask` raises.
        """
        told = self._told(audience)
        return self._signed(await self._gate.demand_open(asker, question), told)

    async def issue_to_holder(self, certificate: bytes, purpose: str, *, audience: str | None) -> Posture:
        """Return a token for the device that has proved possession of `certificate`. Raises as `issue` does."""
        told = self._told(audience)
        return self._signed(await self._gate.demand_open_for_holder(certificate, purpose), told)

    def _told(self, audience: str | None) -> str:
        told = self._audience.audience if audience is None else audience
        if not _AUDIENCE.fullmatch(told):
            message = "`aud` is whom the token is for, 1 to 256 visible ASCII characters"
            raise InvalidRequestError(message, code="request.audience", field="aud")
        return told

    def _signed(self, answer: Answer, audience: str) -> Posture:
        now = self._clock.now()
        expires_at = min(answer.until, now + MAX_LIFETIME).replace(microsecond=0)
        if answer.device_id is None or answer.tier is None or expires_at <= now:
            raise UnavailableError("the device's decision ends this second; ask again", code="gate.stale")
        claims: Mapping[str, object] = {
            "iss": self._audience.issuer,
            "aud": audience,
            "sub": answer.device_id,
            "jti": base64url(self._entropy.draw(TOKEN_ID_BYTES)),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "purpose": answer.purpose,
            "tier": answer.tier.name.lower(),
            **_decided(answer),
        }
        return Posture(
            token=self._signer.sign_as(TYPE, claims),
            device_id=answer.device_id,
            purpose=answer.purpose,
            audience=audience,
            expires_at=expires_at,
        )


def _decided(answer: Answer) -> Mapping[str, object]:
    view = answer.view
    if view is None:
        return {}
    bound = {} if view.certificate is None else {"cnf": {"x5t#S256": _thumbprint(view.certificate.content)}}
    return {"decision": view.decision_id, "bundle": view.bundle, **bound}


def _thumbprint(certificate: bytes) -> str:
    return base64url(hashlib.sha256(certificate).digest())
