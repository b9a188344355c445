"""What gates read of storage; adapters implement it."""

from __future__ import annotations

from typing import Protocol

from policyengine.model.ids import DeviceId
from policyengine.services.records import GateView


class GateReads(Protocol):
    """What gates read: one row, by a key of its own."""

    def gate_view(self, device_id: DeviceId) -> GateView | None:
        """Return the device called `device_id`, with its current certificate."""
        ...

    def gate_view_by_serial(self, serial: str) -> GateView | None:
        """Return the device that an issued certificate was made for, with that certificate; `serial` is hex."""
        ...
