"""Replay: every stored decision is made again from bundle, facts and prior state, and compared byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from policyengine.errors import PolicyEngineError
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.checkins.judging import Judged, Memory
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import AuditReads
from policyengine.services.records import DecisionRecord, DeviceState


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


def replay(reads: AuditReads, shelf: PolicyShelf, memory: Memory, *, every: int = 1) -> ReplayReport:
    """Return the outcome over the whole history and over every device's current decision; `every` 10: a tenth of it."""
    checked = 0
    differences: list[Difference] = []
    for record in islice(reads.all_decisions(), 0, None, every):
        checked += 1
        differences.extend(_compared(record, shelf, memory))
    for state in islice(reads.all_states(), 0, None, every):
        checked += 1
        differences.extend(_compared_state(state, shelf, memory))
    return ReplayReport(checked=checked, differences=tuple(differences))


def _compared(record: DecisionRecord, shelf: PolicyShelf, memory: Memory) -> list[Difference]:
    try:
        again = memory.replayed(record, shelf.by_digest(record.bundle))
    except PolicyEngineError as failure:
        return [_difference(record.decision_id, record.device_id, failure.code)]
    if again.document != record.document:
        return [_difference(record.decision_id, record.device_id, "decision.differs")]
    return _named(again, record.decision_id, record.device_id)


def _compared_state(state: DeviceState, shelf: PolicyShelf, memory: Memory) -> list[Difference]:
    try:
        again = memory.judged_again(state, shelf.by_digest(state.bundle))
    except PolicyEngineError as failure:
        return [_difference(state.decision_id, state.device_id, failure.code)]
    if again.outcome != state.outcome:
        return [_difference(state.decision_id, state.device_id, "decision.differs")]
    return _named(again, state.decision_id, state.device_id)


def _named(again: Judged, decision_id: Digest, device_id: DeviceId) -> list[Difference]:
    return [] if again.id == decision_id else [_difference(decision_id, device_id, "decision.name")]


def _difference(decision_id: Digest, device_id: DeviceId, reason: str) -> Difference:
    return Difference(decision_id=decision_id, device_id=device_id, reason=reason)
