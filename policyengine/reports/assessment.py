"""What an evidence export concludes, as values: the same for the page, for OSCAL and for the table of controls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRow:
    """A control, the rules that speak to it, and how many devices stood how at the end of the period.

    A device counts once: as failed if any rule of the control fails on it, else unknown, else waived, else passed.
    `weakest` is the weakest source of any fact those rules read; `failed_in_period` counts devices that failed at any
    time of it.
    """

    id: str
    title: str
    source: str
    edition: str
    rules: tuple[str, ...]
    passed: int
    failed: int
    unknown: int
    waived: int
    failed_in_period: int
    weakest: str | None

    @property
    def devices(self) -> int:
        """How many devices the control's rules said anything of."""
        return self.passed + self.failed + self.unknown + self.waived


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRow:
    """An exception: who approved it, why, until when, and on how many devices it covered a failure at the end."""

    name: str
    policy: str
    rules: tuple[str, ...]
    approvals: tuple[str, ...]
    reason: str
    ticket: str
    compensating_control: str
    expires: datetime
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingRow:
    """A rule that a device did not meet at the end of the period."""

    device: str
    rule: str
    result: str
    since: str | None
    message: str
    controls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRow:
    """A policy bundle that was in force: its name, the commit it was built from, since when, and who activated it."""

    digest: str
    commit: str | None
    since: datetime
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """All of it. `failing` are the first of `failing_count`, by device and rule."""

    origin: str
    framework: str | None
    start: datetime
    end: datetime
    scope: str
    devices: int
    undecided: int
    decisions: int
    log_size: int
    controls: tuple[ControlRow, ...]
    waivers: tuple[WaiverRow, ...]
    bundles: tuple[BundleRow, ...]
    failing: tuple[FailingRow, ...]
    failing_count: int
