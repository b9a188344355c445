"""Something that changed about a device or the policies, and its CloudEvent.

The transparency log is the outbox: its leaves are written in the transaction of what they tell of, only when something
changed, and in the order of their commits. An occurrence is a leaf, read again with what it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policyengine.model.canonical import canonical
from policyengine.model.ids import DeviceId
from policyengine.model.times import format_timestamp

ENROLLED = "policyengine.device.enrolled"
CHANGED = "policyengine.device.changed"
ISSUED = "policyengine.certificate.issued"
STATUS = "policyengine.certificate.status-changed"
PENDING = "policyengine.device.pending"
RETIRED = "policyengine.device.retired"
ACTIVATED = "policyengine.bundle.activated"
EXPIRING = "policyengine.certificate.expiring"
WAIVER_EXPIRING = "policyengine.waiver.expiring"
WAIVER_EXPIRED = "policyengine.waiver.expired"
FEED_STALE = "policyengine.feed.stale"
# What only time brings, and the act of the system that tells it (reminding.py).
REMINDERS: Mapping[str, str] = {
    EXPIRING: "certificate.expiring",
    WAIVER_EXPIRING: "waiver.expiring",
    WAIVER_EXPIRED: "waiver.expired",
    FEED_STALE: "feed.stale",
}
OF_NO_DEVICE = frozenset({ACTIVATED, WAIVER_EXPIRING, WAIVER_EXPIRED, FEED_STALE})
TYPES = frozenset({ENROLLED, CHANGED, ISSUED, STATUS, PENDING, RETIRED, ACTIVATED, *REMINDERS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """What changed, about which device (None: it is about no single one); `index` is the place of its leaf."""

    index: int
    at: datetime
    type: str
    device_id: DeviceId | None
    model: str | None
    subject: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The occurrences of a stretch of the log, and where the next one begins."""

    occurrences: tuple[Occurrence, ...]
    next: int


def cloud_event(occurrence: Occurrence, *, source: str) -> bytes:
    """Return the event in the JSON format of CloudEvents 1.0, the same bytes each time; `source` and `id` are its name.

    `sequence` grows with the log (the Sequence extension): a receiver that meets a lower one for a device was sent a
    dead letter, or a repetition.
    """
    device = {} if occurrence.device_id is None else {"device_id": occurrence.device_id, "model": occurrence.model}
    return canonical(
        {
            "specversion": "1.0",
            "id": str(occurrence.index),
            "source": source,
            "type": occurrence.type,
            "subject": occurrence.subject,
            "time": format_timestamp(occurrence.at),
            "sequence": f"{occurrence.index:020d}",
            "datacontenttype": "application/json",
            "data": {**device, **occurrence.data},
        }
    )
