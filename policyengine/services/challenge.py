"""Challenges: nonces that storage need not remember."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policyengine.model.ids import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A nonce (48 bytes) and when it ends."""

    nonce: bytes
    expires_at: datetime


class Challenges:
    """Issues nonces; needs no storage, so it can answer under any load."""

    def issue(self, device_id: DeviceId | None) -> Challenge:
        """Return a nonce good for five minutes: bound to `device_id`, or unbound for a device that has no id yet.

        Whether the id exists is not told here.
        """
        raise NotImplementedError
