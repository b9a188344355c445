"""Verdict intervals: what each rule says of each device, closed and opened only where something changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.adapters.sql.codec import micros_or_none, raw
from policyengine.services.changes import VerdictRow
from policyengine.services.moments import micros
from policyengine.services.records import DeviceState

_verdict = tables.verdict.c
Key = tuple[str, str]
Said = tuple[str, str, str, str]


def record_verdicts(batch: Batch, verdicts: Sequence[VerdictRow], *, state: DeviceState) -> None:
    """Queue what `verdicts` change against the device's open intervals; `state` says when and by which decision."""
    open_rows = batch.connection.execute(
        select(tables.verdict).where(_verdict.device_id == state.device_id, _verdict.valid_to.is_(None))
    ).all()
    before = {(row.binding, row.rule): row for row in open_rows}
    after = {(verdict.binding or "", verdict.rule): verdict for verdict in verdicts}
    at_us = micros(state.decided_at)
    for key, row in before.items():
        if key not in after or _said(row) != _says(after[key]):
            _close(batch, row, at_us=at_us)
    for key, verdict in after.items():
        if key not in before or _said(before[key]) != _says(verdict):
            batch.add("verdicts", _opened(verdict, state=state, at_us=at_us))


def _said(row: Row[Any]) -> Said:
    return (row.result, row.reason, row.mode, row.action)


def _says(verdict: VerdictRow) -> Said:
    return (verdict.result, verdict.reason, verdict.mode, verdict.action)


def _close(batch: Batch, row: Row[Any], *, at_us: int) -> None:
    names = ("device_id", "rule", "binding", "valid_from")
    keys = {name: row._mapping[name] for name in names}
    batch.add("closed_verdicts", {"valid_to": at_us, **keys})


def _opened(verdict: VerdictRow, *, state: DeviceState, at_us: int) -> Mapping[str, object]:
    return {
        "device_id": state.device_id,
        "rule": verdict.rule,
        "binding": verdict.binding or "",
        "valid_from": at_us,
        "valid_to": None,
        "result": verdict.result,
        "reason": verdict.reason,
        "mode": verdict.mode,
        "action": verdict.action,
        "bundle": raw(state.bundle),
        "decision_id": raw(state.decision_id),
        "failing_since": micros_or_none(verdict.failing_since),
    }
