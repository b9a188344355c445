"""Devices that nobody announced: refused, or kept as pending until a person admits them (fleet.yaml `enrollment`)."""

from __future__ import annotations

import re
from datetime import datetime

from policyengine.model.ids import MAX_DEVICE_ID, device_id
from policyengine.model.policy import Bundle, UnknownDevices
from policyengine.services.actors import SYSTEM
from policyengine.services.changes import Act, AnnouncePending
from policyengine.services.errors import RefusedError
from policyengine.services.identification.claimants import UnannouncedError
from policyengine.services.records import Device, Lifecycle

WAITS_FOR_A_PERSON = "enrolment.pending"  # the code of what a person's admission ends

_FOREIGN = re.compile(r"[^A-Za-z0-9._-]+")


def pending_device(stranger: UnannouncedError, bundle: Bundle, *, now: datetime, salt: bytes) -> AnnouncePending | None:
    """Return the change that keeps `stranger` as pending; None where strangers are refused or its model is open."""
    if bundle.fleet.unknown_devices is not UnknownDevices.PENDING or stranger.model is None:
        return None
    name = _FOREIGN.sub("-", f"{stranger.vendor}-{stranger.serial}")[:MAX_DEVICE_ID]
    device = Device(
        id=device_id(name),
        vendor=stranger.vendor,
        model=stranger.model,
        serial=stranger.serial,
        labels={},
        lifecycle=Lifecycle.PENDING,
        created_at=now,
        updated_at=now,
    )
    act = Act(actor=SYSTEM.name, at=now, action="device.pending", subject=device.id, detail={}, salt=salt)
    return AnnouncePending(device=device, act=act)


def waits() -> RefusedError:
    """Return the refusal of a device that waits for a person."""
    return RefusedError("the device waits for a person to admit it", code=WAITS_FOR_A_PERSON, check=WAITS_FOR_A_PERSON)
