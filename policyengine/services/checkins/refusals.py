"""Refusals that leave a trace: each is a security event, and repeats within an hour are counted, not piled up."""

from __future__ import annotations

import hashlib
from datetime import datetime

from pki.errors import PkiError
from policyengine.model.ids import DeviceId
from policyengine.services.changes import RecordSecurityEvent
from policyengine.services.errors import ServiceError
from policyengine.services.records import SecurityEvent

MAX_DETAIL = 500  # characters; what a stranger can make us write is bounded
_HOUR = "%Y-%m-%dT%H"


def security_event(
    error: ServiceError | PkiError, *, device_id: DeviceId | None, now: datetime, salt: bytes
) -> RecordSecurityEvent:
    """Return the change that records `error`; `device_id` is whom the request claimed to be, if it is registered."""
    check = error.fields.get("check")
    name = f"{now.strftime(_HOUR)}|{error.code}|{check}|{device_id or ''}"
    event = SecurityEvent(
        id=hashlib.sha256(name.encode()).hexdigest()[:32],
        code=error.code,
        device_id=device_id,
        check=check if isinstance(check, str) else None,
        detail=_detail(error)[:MAX_DETAIL],
        first_at=now,
        last_at=now,
        count=1,
    )
    return RecordSecurityEvent(event=event, salt=salt)


def _detail(error: ServiceError | PkiError) -> str:
    """Return the message and, of a check of evidence, what it expected and saw: a device's answer is gone by then."""
    expected, seen = error.fields.get("expected"), error.fields.get("seen")
    return error.message if expected is None else f"{error.message}: expected {expected}, seen {seen}"
