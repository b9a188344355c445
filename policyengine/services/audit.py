"""Answers for auditors: decisions, why they are so, what would have to change, and that they come out the same again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policyengine.model.ids import DeviceId, Digest
from policyengine.services.actors import Principal
from policyengine.services.ports import PageRequest
from policyengine.services.records import AuditEvent, Page, SecurityEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a decision is as it is; `document` is plain JSON (docs/storage.md), `text` the same for a person."""

    document: Mapping[str, object]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlStatus:
    """A control of a framework, the rules that speak to it, and how many devices each result has."""

    id: str
    title: str
    source: str
    edition: str
    rules: tuple[str, ...]
    results: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A stored decision that does not come out the same again."""

    decision_id: Digest
    device_id: DeviceId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """How many decisions were made again, and which differ by a byte."""

    checked: int
    differences: tuple[Difference, ...]


class Audit:
    """Reads for auditors; changes nothing."""

    def decision(self, viewer: Principal, decision_id: Digest) -> bytes:
        """Return a decision's canonical JSON.

        Kept are the current decision of each device and every one that changed something; an unchanged one that a later
        check-in replaced answers as missing. Raises MissingError.
        """
        raise NotImplementedError

    def explain(self, viewer: Principal, decision_id: Digest) -> Explanation:
        """Return rule, file, line, commit, facts with provenance, evidence digest, and what would have to change."""
        raise NotImplementedError

    def explain_device(self, viewer: Principal, device_id: DeviceId, *, as_of: datetime | None = None) -> Explanation:
        """Return the explanation of the decision in force at `as_of`. Raises MissingError."""
        raise NotImplementedError

    def controls(self, viewer: Principal, *, as_of: datetime | None = None) -> tuple[ControlStatus, ...]:
        """Return the controls of the active bundle with the results of their rules at `as_of`."""
        raise NotImplementedError

    def security_events(
        self, viewer: Principal, page: PageRequest, *, device_id: DeviceId | None = None
    ) -> Page[SecurityEvent]:
        """Return what was not believed, newest first."""
        raise NotImplementedError

    def events(self, viewer: Principal, page: PageRequest) -> Page[AuditEvent]:
        """Return administrative acts, newest first."""
        raise NotImplementedError

    def replay(self) -> ReplayReport:
        """Return the outcome of making every stored decision again from bundle, facts and prior state."""
        raise NotImplementedError
