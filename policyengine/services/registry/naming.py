"""Ids of devices that could be taken for each other."""

from __future__ import annotations

from collections.abc import Iterable

from policyengine.model.ids import DeviceId, folded
from policyengine.services.errors import ConflictError


def demand_distinct(new: Iterable[DeviceId], held: Iterable[DeviceId]) -> None:
    """Raise ConflictError `device.exists` where a new id differs in case only from one that is held, or a new one.

    The dNSNames that profiles make of such ids are one name to whoever compares them (RFC 9525 section 6.3).
    """
    names = {folded(each): each for each in held}
    for each in new:
        other = names.setdefault(folded(each), each)
        if other != each:
            raise ConflictError(
                f"device `{each}` differs from `{other}` in case only, and certificates cannot tell the two apart",
                code="device.exists",
                check="device.exists",
                device_id=other,
            )
