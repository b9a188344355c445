"""The shapes of reports on devices."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from policyengine.services.supply.reports import MAX_DEVICES


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


class ReportOut(BaseModel):
    """A report on file: its digest, which the facts that come from it carry, and how many devices it is of."""

    report: str
    devices: int
