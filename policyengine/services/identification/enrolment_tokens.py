"""One-time tokens: what is kept of them, and whether one may be redeemed now."""

from __future__ import annotations

import hashlib
from datetime import datetime

from policyengine.services.identification.claimants import demand_in_service, held_by_other_key, refused
from policyengine.services.ports import CheckInReads
from policyengine.services.records import DeviceView, EnrolmentToken


def token_digest(token: str) -> bytes:
    """Return what is kept of a one-time token."""
    return hashlib.sha256(b"policyengine one-time token v1" + token.encode("utf-8", "surrogatepass")).digest()


def device_of_token(token: str, *, reads: CheckInReads, now: datetime) -> tuple[DeviceView, EnrolmentToken]:
    """Return the device that a one-time token enrols, and the token; whose key may redeem it is the caller's to check.

    Raises RefusedError (`enrolment.token`) for a token that is unknown, used or expired, ConflictError for a device
    that has a key.
    """
    record = reads.enrolment_token(token_digest(token))
    if record is None or record.redeemed_at is not None or now >= record.expires_at:
        raise refused("the one-time token is unknown, used or expired", "enrolment.token")
    view = reads.view(record.device_id)
    if view is None:
        raise refused("the one-time token is for another device", "enrolment.token")
    if view.state is not None:
        raise held_by_other_key(view)
    demand_in_service(view)
    return view, record


def demand_bound(view: DeviceView, bound: DeviceView | None) -> None:
    """Raise RefusedError if the nonce names another device than the token."""
    if bound is not None and bound.device.id != view.device.id:
        raise refused("the one-time token is for another device", "enrolment.token")


def demand_key(record: EnrolmentToken, thumbprint: str | None) -> None:
    """Raise RefusedError if the token admits one key only and that has another thumbprint."""
    if record.key_thumbprint is not None and record.key_thumbprint != thumbprint:
        raise refused("the one-time token is for another key", "enrolment.token")
