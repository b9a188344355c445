"""Nonces that need no table: 48 bytes that say when, for whom and how long, under an HMAC.

version 1 | epoch 2 | lifetime in seconds 3 | issued in microseconds 7 | device tag 16 | random 3 | HMAC-SHA-256 16

The MAC is cut to 16 bytes and makes the nonce unpredictable; 48 is a size that PSA tokens can carry (RFC 9783 section
4.1.1). Single use is the store's part: a bound nonce must be issued after the device's floor, an unbound one must not
have been spent.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from policyengine.model.ids import DeviceId
from policyengine.services.errors import InvalidRequestError, RefusedError
from policyengine.services.moments import micros, moment

NONCE_SIZE = 48
RANDOM_SIZE = 3
TAG_SIZE = 16
CHALLENGE_LIFETIME = timedelta(minutes=5)  # RFC 9334 section 10.1 asks for minutes, not hours
CLOCK_SKEW = timedelta(seconds=60)  # workers' clocks may differ by this; a nonce from further ahead is not ours
UNBOUND = bytes(TAG_SIZE)

_VERSION = 1
_MAC_AT = NONCE_SIZE - 16
_MAX_LIFETIME = 2**24 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceKey:
    """The key nonces are made with; a new `epoch` (after a restore from backup) ends all older nonces."""

    secret: bytes
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonce:
    """A nonce that is ours and still lives. `tag` is UNBOUND or names a device."""

    raw: bytes
    issued_us: int
    issued_at: datetime
    expires_at: datetime
    tag: bytes

    @property
    def is_bound(self) -> bool:
        """Tell whether it was issued to one device."""
        return self.tag != UNBOUND


def device_tag(device_id: DeviceId) -> bytes:
    """Return the 16 bytes by which a nonce names a device."""
    return hashlib.sha256(device_id.encode()).digest()[:TAG_SIZE]


def make_nonce(key: NonceKey, *, tag: bytes, issued_us: int, lifetime: timedelta, random: bytes) -> bytes:
    """Return a nonce; `random` is RANDOM_SIZE bytes, `lifetime` is cut to whole seconds."""
    seconds = min(int(lifetime.total_seconds()), _MAX_LIFETIME)
    head = (
        bytes((_VERSION,))
        + key.epoch.to_bytes(2, "big")
        + seconds.to_bytes(3, "big")
        + issued_us.to_bytes(7, "big")
        + tag
        + random
    )
    return head + _mac(key, head)


def open_nonce(raw: bytes, *, key: NonceKey) -> Nonce:
    """Return what `raw` says, expired or not.

    Raises InvalidRequestError (`nonce.malformed`) for a wrong size, RefusedError (`nonce.foreign`) unless it was made
    with `key` in its epoch.
    """
    if len(raw) != NONCE_SIZE:
        raise InvalidRequestError(f"nonce is not {NONCE_SIZE} bytes", code="nonce.malformed", field="nonce")
    if not hmac.compare_digest(_mac(key, raw[:_MAC_AT]), raw[_MAC_AT:]) or raw[:3] != _prefix(key):
        raise RefusedError("nonce was not issued here", code="nonce.foreign", check="nonce.foreign")
    issued_us = int.from_bytes(raw[6:13], "big")
    issued_at = moment(issued_us)
    lifetime = timedelta(seconds=int.from_bytes(raw[3:6], "big"))
    return Nonce(raw=raw, issued_us=issued_us, issued_at=issued_at, expires_at=issued_at + lifetime, tag=raw[13:29])


def demand_live(nonce: Nonce, *, now: datetime) -> None:
    """Raise RefusedError (`nonce.expired`, `nonce.future`) unless `nonce` lives at `now`; its end is half-open."""
    if now >= nonce.expires_at:
        raise RefusedError("nonce has expired", code="nonce.expired", check="nonce.expired")
    if nonce.issued_at - now > CLOCK_SKEW:
        raise RefusedError("nonce is from the future", code="nonce.future", check="nonce.future")


def next_issue(now: datetime, *, floor: int) -> int:
    """Return an issue time in microseconds that lies above `floor` even when the clock went back."""
    return max(micros(now), floor + 1)


def _prefix(key: NonceKey) -> bytes:
    return bytes((_VERSION,)) + key.epoch.to_bytes(2, "big")


def _mac(key: NonceKey, head: bytes) -> bytes:
    made = _begun(key.secret).copy()
    made.update(head)
    return made.digest()[:16]


@lru_cache(maxsize=4)  # a process has one
def _begun(secret: bytes) -> hmac.HMAC:
    """Return an HMAC that has the key in it and nothing else; to begin with the key is nearly half of the work."""
    return hmac.new(secret, digestmod="sha256")
