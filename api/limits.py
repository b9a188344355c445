"""How often one caller may ask, and how often it may fail to say who it is: in this process's memory, bounded.

A wrong credential counts against the address it came from together with the identity it claimed. So guessing at one
token never locks out another, no device is locked out by what somebody else sends, and whether a token exists cannot be
told from who is locked out. Counters of other identities are the ones to be forgotten first when there are too many.
"""

from __future__ import annotations

import ipaddress
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from starlette.types import Scope

from api.errors import ThrottledError
from api.options import Network

MAX_KEPT = 4096  # callers remembered of each kind, about a megabyte
FREE_FAILURES = 10  # a person who mistypes, a program that starts before its secret is there
LONGEST_LOCK = 300.0  # seconds; a program that got its new secret is let in again by itself
FORGIVEN_AFTER = 900.0  # seconds without a failure
BURST_SECONDS = 5.0  # what a caller may ask at once, in seconds of its rate

_OURS = re.compile(r"pe_([0-9a-f]{16})_")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0
    locked_until: float = 0.0


@dataclass(slots=True)
class _Bucket:
    left: float
    filled_at: float


class _Kept(Generic[K, V]):
    """The MAX_KEPT values used last."""

    def __init__(self) -> None:
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        found = self._values.get(key)
        if found is None:
            found = self._values[key] = make()
            if len(self._values) > MAX_KEPT:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return found

    def peek(self, key: K) -> V | None:
        return self._values.get(key)

    def drop(self, key: K) -> None:
        self._values.pop(key, None)


class Limits:
    """Counts callers; `rate` is requests a second of one identity, 0: no limit. `now` is a steady clock's seconds."""

    def __init__(self, *, rate: float, now: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._now = now
        self._lock = threading.Lock()
        self._failures: _Kept[tuple[str, str], _Failures] = _Kept()
        self._buckets: _Kept[str, _Bucket] = _Kept()

    def demand_unlocked(self, source: str, claimed: str) -> None:
        """Raise ThrottledError while `source` failed too often to be `claimed`."""
        with self._lock:
            found = self._failures.peek((source, claimed))
            left = 0.0 if found is None else found.locked_until - self._now()
        if left > 0:
            raise _throttled("too many wrong credentials; wait", left)

    def failed(self, source: str, claimed: str) -> None:
        """Count a wrong credential; beyond FREE_FAILURES each one locks for twice as long as the one before."""
        with self._lock:
            now = self._now()
            found = self._failures.get((source, claimed), _Failures)
            if now - found.last > FORGIVEN_AFTER:
                found.count = 0
            found.count, found.last = found.count + 1, now
            beyond = found.count - FREE_FAILURES
            if beyond >= 0:
                found.locked_until = now + min(2.0 ** min(beyond, 16), LONGEST_LOCK)

    def passed(self, source: str, claimed: str) -> None:
        """Forget the failures of a caller that has proved who it is."""
        with self._lock:
            self._failures.drop((source, claimed))

    def spend(self, identity: str) -> None:
        """Count one request of an identity that was proved; raises ThrottledError beyond its rate."""
        if not self._rate:
            return
        with self._lock:
            now = self._now()
            most = self._rate * BURST_SECONDS
            bucket = self._buckets.get(identity, lambda: _Bucket(left=most, filled_at=now))
            bucket.left = min(most, bucket.left + (now - bucket.filled_at) * self._rate)
            bucket.filled_at = now
            if bucket.left < 1:
                raise _throttled("more requests than this token may make; wait", (1 - bucket.left) / self._rate)
            bucket.left -= 1


def claimed_by(secret: str) -> str:
    """Return whose token a text says it is, by its public part; the same for everything that is no token of ours."""
    found = _OURS.match(secret)
    return "" if found is None else found[1]


def source_of(scope: Scope, trusted_proxies: tuple[Network, ...]) -> str:
    """Return the address a request came from: the peer's, or what a configured proxy says of its own peer.

    Of `X-Forwarded-For` the last address counts, which that proxy wrote; those before it are the client's to invent.
    """
    client = scope.get("client")
    peer = str(client[0]) if client else ""
    if not _is_within(peer, trusted_proxies):
        return peer
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    said = values[-1].decode("latin-1").rpartition(",")[2].strip() if values else ""
    return said if _is_address(said) else peer


def _is_within(text: str, networks: tuple[Network, ...]) -> bool:
    return bool(networks) and _is_address(text) and any(ipaddress.ip_address(text) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _throttled(message: str, seconds: float) -> ThrottledError:
    wait = max(1, int(seconds) + 1)
    return ThrottledError(message, headers=(("Retry-After", str(wait)),), retry_after=wait)
