"""Challenges: nonces that storage need not remember."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policyengine.model.ids import DeviceId
from policyengine.services.moments import micros
from policyengine.services.nonces import CHALLENGE_LIFETIME, RANDOM_SIZE, UNBOUND, NonceKey, device_tag, make_nonce
from policyengine.services.ports import Clock, Entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A nonce (48 bytes) and when it ends."""

    nonce: bytes
    expires_at: datetime


class Challenges:
    """Issues nonces; needs no storage, so it can answer under any load."""

    def __init__(self, clock: Clock, entropy: Entropy, key: NonceKey) -> None:
        self._clock = clock
        self._entropy = entropy
        self._key = key

    def issue(self, device_id: DeviceId | None) -> Challenge:
        """Return a nonce good for five minutes: bound to `device_id`, or unbound for a device that has no id yet.

        Whether the id exists is not told here.
        """
        now = self._clock.now()
        nonce = make_nonce(
            self._key,
            tag=UNBOUND if device_id is None else device_tag(device_id),
            issued_us=micros(now),
            lifetime=CHALLENGE_LIFETIME,
            random=self._entropy.draw(RANDOM_SIZE),
        )
        return Challenge(nonce=nonce, expires_at=now + CHALLENGE_LIFETIME)
