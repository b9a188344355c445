"""The shapes of reports on devices."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.shapes import Moment, Shape
from policyengine.model.ids import device_id
from policyengine.services.supply.reports import MAX_DEVICES, Reported, Seen


class SeenIn(BaseModel):
    """What was seen of one device; `complete`: everything of these groups was looked at."""

    model_config = ConfigDict(extra="forbid", strict=True)

    device_id: Annotated[str, Field(max_length=128)]
    net: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    complete: bool = False

    def groups(self) -> dict[str, object]:
        """Return the groups of facts that are there."""
        given = {"net": self.net, "config": self.config}
        return {name: facts for name, facts in given.items() if facts is not None}


class ReportIn(BaseModel):
    """A report: when it was seen (RFC 3339), and of which devices what."""

    model_config = ConfigDict(extra="forbid", strict=True)

    observed_at: Annotated[str, Field(max_length=40)]
    devices: Annotated[list[SeenIn], Field(min_length=1, max_length=MAX_DEVICES)]

    def seen(self) -> list[Seen]:
        """Return what was seen, device by device. Raises InvalidIdError."""
        return [
            Seen(device_id=device_id(each.device_id), groups=each.groups(), complete=each.complete)
            for each in self.devices
        ]


class ReportedOut(Shape):
    """The last report on a group of a device's facts; `report` is the digest that its facts carry as evidence."""

    device_id: str
    group: str
    facts: dict[str, Any]
    complete: bool
    observed_at: Moment
    report: str
    filed_by: str
    party: str | None
    filed_at: Moment


class ReportOut(BaseModel):
    """A report on file: its digest, which the facts that come from it carry, and how many devices it is of."""

    report: str
    devices: int


def reported_out(found: Reported) -> ReportedOut:
    """Return the shape of the last report on a group."""
    filed = found.filed
    return ReportedOut(
        device_id=found.device_id,
        group=filed.name,
        facts=dict(found.facts),
        complete=found.complete,
        observed_at=found.observed_at,
        report=filed.original,
        filed_by=filed.by,
        party=filed.party,
        filed_at=filed.filed_at,
    )
