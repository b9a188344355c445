"""Check-in: one read, one pure decision, one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceItem:
    """Evidence as sent: its media type with parameters (`type`) and its bytes (`value`)."""

    media_type: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInRequest:
    """A check-in after JSON and base64url are undone.

    `csr` is PKCS#10 DER. `token` and `key` (SPKI DER) are for enrolment by one-time token. `reported` are fact groups as
    in a facts file (`{"net": {"open_ports": [22]}}`). `digest` is SHA-256 of the request body as received: a
    byte-identical retry gets the stored reply.
    """

    nonce: bytes
    evidence: tuple[EvidenceItem, ...]
    digest: bytes
    csr: bytes | None = None
    reported: Mapping[str, object] | None = None
    token: str | None = None
    key: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInReply:
    """`body` is the whole JSON reply (DESIGN section 10), ready to send with status 200 whatever the tier."""

    body: bytes
    device_id: DeviceId
    decision_id: Digest
    tier: Tier
    repeated: bool  # a byte-identical retry: nothing was recorded again


class CheckIns:
    """The use case that devices call."""

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        """Return the decision on the device that proves itself in `request`, once it is durable.

        Raises, nothing changed: MalformedEvidenceError, InvalidRequestError, pki request errors, FactError (400);
        RefusedError (403, `fields["check"]`, also recorded as a security event); ConflictError (409: id held by another
        key, registry disagrees); UnavailableError (503: storage, or no bundle active).
        """
        raise NotImplementedError
