"""What the composition root decides about HTTP: limits, proxies, and the identity of this process."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from api.metrics import Counts


def nobody() -> Sequence[Counts]:
    """Return what the other workers have counted where there are none."""
    return ()


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Limits and trust. `instance` starts every request id of this process and must differ between processes."""

    instance: str
    max_body_bytes: int
    max_upload_bytes: int
    max_in_flight: int
    trusted_proxies: tuple[Network, ...] = ()
    rate_per_second: int = 0  # requests of one API token; 0: no limit
    others: Callable[[], Sequence[Counts]] = nobody  # what the other workers have counted
