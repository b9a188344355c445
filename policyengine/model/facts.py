"""Facts: typed values with provenance and age.

In memory a fact has a plain Python value: bool, int, float, str, aware UTC datetime, timedelta, tuple (list), or dict
(structure or map). Groups and nested structures are dicts; an absent fact is an absent key, never None. Versions are
str; their scheme comes from the device's model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from policyengine.model.ids import DeviceId, Digest


class Source(IntEnum):
    """Who vouches for a fact, weakest first (DESIGN section 5)."""

    DECLARED = 0
    REPORTED = 1
    OBSERVED = 2
    CERTIFIED = 3
    ATTESTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the facts below one path come from. `complete`: the source listed everything of that group.

    `reporter` is the gateway that said them of another device; None: the device itself, or we.
    """

    source: Source
    observed_at: datetime
    received_at: datetime | None = None
    evidence_digest: Digest | None = None
    complete: bool = False
    reporter: DeviceId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All facts of one device at one moment. `provenance` is keyed by dotted path prefix; the longest prefix wins.

    `until` is when some of them would be gathered otherwise, whatever the device says; it is no part of what is stored.
    """

    device_id: DeviceId
    values: Mapping[str, object]
    provenance: Mapping[str, Provenance]
    until: datetime | None = None
