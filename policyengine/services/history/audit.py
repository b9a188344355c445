"""Answers for auditors: decisions, why they are so, what would have to change; and that they come out the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from policyengine.model.ids import DeviceId, Digest
from policyengine.services.actors import Principal, Right, demand, demand_whole_fleet
from policyengine.services.checkins.judging import Memory
from policyengine.services.history.explanation import Explanation, explain
from policyengine.services.history.replaying import ReplayReport, replay
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import PageRequest, Store
from policyengine.services.records import AuditEvent, DeviceState, Page, Restriction, SecurityEvent
from policyengine.services.scope import missing, sees, visible_view

__all__ = ["Audit", "Explanation", "ReplayReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A decision's bytes and what stands beside them."""

    device_id: DeviceId
    bundle: Digest
    document: bytes
    restriction: Restriction | None


class Audit:
    """Reads for auditors; changes nothing."""

    def __init__(self, store: Store, shelf: PolicyShelf, memory: Memory) -> None:
        self._store = store
        self._shelf = shelf
        self._memory = memory

    def decision(self, viewer: Principal, decision_id: Digest) -> bytes:
        """Return a decision's canonical JSON.

        Kept are the current decision of each device and every one that changed something; an unchanged one that a
        later check-in replaced answers as missing. Raises MissingError.
        """
        return self._kept(viewer, decision_id).document

    def explain(self, viewer: Principal, decision_id: Digest) -> Explanation:
        """Return rule, file, line, commit, facts with provenance, evidence digest, and what would have to change.

        Raises MissingError.
        """
        return self._explained(self._kept(viewer, decision_id))

    def explain_device(self, viewer: Principal, device_id: DeviceId, *, as_of: datetime | None = None) -> Explanation:
        """Return the explanation of the decision in force at `as_of`, as of its last change. Raises MissingError."""
        view = visible_view(self._store, viewer, device_id)
        if as_of is None:
            kept = None if view.state is None else self._current(view.state)
        else:
            kept = self._kept_at(device_id, as_of)
        if kept is None:
            raise missing("the device had not been decided on", "decision.missing")
        return self._explained(kept)

    def security_events(
        self, viewer: Principal, page: PageRequest, *, device_id: DeviceId | None = None
    ) -> Page[SecurityEvent]:
        """Return what was not believed, newest first. A viewer of some models must name a device of theirs."""
        if viewer.models is None:
            demand(viewer, Right.AUDIT)
        elif device_id is None:
            raise missing("name a device of yours", "device.missing")
        if device_id is not None:
            visible_view(self._store, viewer, device_id)
        return self._store.security_events(page, device_id=device_id)

    def events(self, viewer: Principal, page: PageRequest, *, as_of: datetime | None = None) -> Page[AuditEvent]:
        """Return administrative acts, with `as_of` those done by then, newest first. Raises ForbiddenError."""
        demand(viewer, Right.AUDIT)
        demand_whole_fleet(viewer)
        return self._store.audit_events(page, until=as_of)

    def replay(self) -> ReplayReport:
        """Return the outcome of making every stored decision again from bundle, facts and prior state."""
        return replay(self._store, self._shelf, self._memory)

    def _kept(self, viewer: Principal, decision_id: Digest) -> _Kept:
        record = self._store.decision(decision_id)
        state = self._store.state_of_decision(decision_id)
        about = state or record
        if about is None or not sees(self._store, viewer, about.device_id):
            raise missing("no decision of that id is kept", "decision.missing")
        if isinstance(about, DeviceState):
            return self._current(about)
        return _Kept(device_id=about.device_id, bundle=about.bundle, document=about.document, restriction=None)

    def _kept_at(self, device_id: DeviceId, at: datetime) -> _Kept | None:
        found, record = self._store.device_at(device_id, at), self._store.decision_at(device_id, at)
        if found is None or record is None:
            return None
        state = found[1]
        return _Kept(
            device_id=device_id,
            bundle=record.bundle,
            document=record.document,
            restriction=None if state is None else state.restriction,
        )

    def _current(self, state: DeviceState) -> _Kept:
        judged = self._memory.judged_again(state, self._shelf.by_digest(state.bundle))
        return _Kept(
            device_id=state.device_id, bundle=state.bundle, document=judged.document, restriction=state.restriction
        )

    def _explained(self, kept: _Kept) -> Explanation:
        return explain(json.loads(kept.document), self._shelf.by_digest(kept.bundle).bundle, kept.restriction)
