"""Measurements in believed evidence that nothing endorses, noticed once a device so that check-ins cost no more.

A process remembers what it has noticed; it writes again when the rules say something else of the device, and after a
restart. Devices that measure something new at every boot fill no table: a check-in notes MAX_NOTED at most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from policyengine.attestation.formats import Verified
from policyengine.attestation.reference import Match
from policyengine.model.ids import DeviceId
from policyengine.services.records import Measured

MAX_NOTED = 16  # measurements of one check-in; an image has a dozen parts, and people read this list
MAX_REMEMBERED = 65_536  # pairs of device and measurement; then the oldest is written once more


class Noticed:
    """What this process has written to the queue already."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[DeviceId, Measured], None] = OrderedDict()

    def news(
        self, verified: tuple[Verified, ...], *, model: str, device_id: DeviceId, verdicts_changed: bool
    ) -> tuple[Measured, ...]:
        """Return what of a device's evidence is to be written: all of it if its verdicts changed, else what is new."""
        found = tuple(dict.fromkeys(_unmatched(verified, model)))[:MAX_NOTED]
        if not found:
            return ()
        keys = [(device_id, measured) for measured in found]
        news = tuple(measured for key, measured in zip(keys, found, strict=True) if key not in self._seen)
        for key in keys:
            self._seen[key] = None
            self._seen.move_to_end(key)
        while len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return found if verdicts_changed else news


def _unmatched(verified: tuple[Verified, ...], model: str) -> Iterator[Measured]:
    for evidence in verified:
        software = evidence.facts.get("software")
        for row in software if isinstance(software, list) else ():
            name, digest = row.get("name"), row.get("digest")
            if row.get("match") == Match.UNKNOWN.value and isinstance(name, str) and isinstance(digest, str):
                yield Measured(model=model, component=name, digest=digest)
