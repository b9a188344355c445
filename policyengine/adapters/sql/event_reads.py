"""What webhooks are told: leaves of the log that say a device or the policies changed, read with what they name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import raw
from policyengine.adapters.sql.jobs import job_of
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId
from policyengine.services.events import occurrences as events
from policyengine.services.events.occurrences import Occurrence, Stretch
from policyengine.services.moments import moment
from policyengine.services.records import Job

MAX_VERDICTS = 100  # in one event, some 20 KiB; the count says how many there are, the decision which

_leaf = tables.log_leaf.c
_verdict = tables.verdict.c

Said = Mapping[str, Any]
Told = tuple[str, Said]  # the device, or the bundle, and what is told of it


class SqlEventReads:
    """Implements the reads of the EventReads port."""

    def __init__(self, engine: Engine) -> None:
        self._event_engine = engine

    def jobs(self, kind: str) -> tuple[Job, ...]:
        """Return all work of a kind, by id."""
        clause = select(tables.job).where(tables.job.c.kind == kind).order_by(tables.job.c.id)
        with self._event_engine.connect() as connection:
            return tuple(map(job_of, connection.execute(clause)))

    def occurrences(self, start: int, limit: int) -> Stretch:
        """Return what changed from leaf `start` on, in the log's order; of at most `limit` leaves that may tell it."""
        clause = select(tables.log_leaf).where(_leaf.log_index >= start, _leaf.kind.in_({*_TOLD, "act"}))
        with self._event_engine.connect() as connection:
            # INVARIANT: the head is read first; leaves that come after it are of the next stretch.
            size = connection.execute(select(tables.log_head.c.size)).scalar_one()
            rows = connection.execute(clause.where(_leaf.log_index < size).order_by(_leaf.log_index).limit(limit)).all()
            found = tuple(told for row in rows if (told := _occurrence(connection, row)) is not None)
        end = rows[-1].log_index + 1 if len(rows) == limit else max(size, start)
        return Stretch(occurrences=found, next=end)


def _occurrence(connection: Connection, row: Row[Any]) -> Occurrence | None:
    record = json.loads(row.record)
    told = _TOLD[row.kind] if row.kind != "act" else _TOLD_ACTS.get(record["action"])
    found = None if told is None else told[1](connection, record)
    if told is None or found is None:
        return None
    (kind, _), (subject, data) = told, found
    if kind in events.OF_NO_DEVICE:
        return Occurrence(
            index=row.log_index, at=moment(row.at), type=kind, device_id=None, model=None, subject=subject, data=data
        )
    return _of_device(connection, row, kind, subject, data)


def _of_device(connection: Connection, row: Row[Any], kind: str, device: str, data: Said) -> Occurrence | None:
    model = connection.execute(select(tables.device.c.model).where(tables.device.c.id == device)).scalar_one_or_none()
    if model is None:
        return None
    return Occurrence(
        index=row.log_index,
        at=moment(row.at),
        type=kind,
        device_id=DeviceId(device),
        model=model,
        subject=device,
        data=data,
    )


def _enrolled(_connection: Connection, record: Said) -> Told | None:
    return record["device"], {"key": record["key"], "identity": record["kind"]}


def _changed(connection: Connection, record: Said) -> Told | None:
    """Tell of a decision, if it changed the tier or what a rule says: other facts alone are no transition."""
    table = tables.decision
    row = connection.execute(
        select(table.c.decided_at, table.c.phase, table.c.previous_tier).where(
            table.c.decision_id == raw(record["decision"])
        )
    ).first()
    if row is None:
        return None
    previous = None if row.previous_tier is None else Tier(row.previous_tier).name.lower()
    verdicts = _new_verdicts(connection, record["device"], row.decided_at)
    if previous == record["tier"] and not verdicts:
        return None
    return record["device"], {
        "decision_id": record["decision"],
        "phase": row.phase,
        "tier": record["tier"],
        "previous_tier": previous,
        "verdicts": verdicts[:MAX_VERDICTS],
        "verdict_changes": len(verdicts),
    }


def _new_verdicts(connection: Connection, device: str, at_us: int) -> list[Said]:
    """Return what rules say since then, and None as the result of those that say nothing any more."""
    touched = (_verdict.valid_from == at_us) | (_verdict.valid_to == at_us)
    rows = connection.execute(select(tables.verdict).where(_verdict.device_id == device, touched)).all()
    before = {(row.binding, row.rule): row for row in rows if row.valid_from != at_us}
    after = {(row.binding, row.rule): row for row in rows if row.valid_from == at_us}
    return [_verdict_change(key, before.get(key), after.get(key)) for key in sorted({*before, *after})]


def _verdict_change(key: tuple[str, str], before: Row[Any] | None, after: Row[Any] | None) -> Said:
    binding, rule = key
    return {
        "rule": rule,
        "binding": binding or None,
        "previous_result": None if before is None else before.result,
        "result": None if after is None else after.result,
        "reason": None if after is None else after.reason,
        "mode": None if after is None else after.mode,
    }


def _issued(_connection: Connection, record: Said) -> Told | None:
    return record["device"], {
        "serial": record["serial"],
        "issuer": record["issuer"],
        "decision_id": record["decision"],
    }


def _status(connection: Connection, record: Said) -> Told | None:
    of_this = (tables.certificate.c.issuer == record["issuer"]) & (tables.certificate.c.serial == record["serial"])
    device = connection.execute(select(tables.certificate.c.device_id).where(of_this)).scalar_one_or_none()
    if device is None:
        return None
    return device, {name: record[name] for name in ("serial", "issuer", "status", "reason")}


def _pending(_connection: Connection, record: Said) -> Told | None:
    return record["subject"], {}


def _retired(_connection: Connection, record: Said) -> Told | None:
    return record["subject"], {"reason": record["detail"]["reason"]}


def _activated(_connection: Connection, record: Said) -> Told | None:
    return record["subject"], {"bundle": record["subject"], "generation": record["detail"]["generation"]}


def _expiring(_connection: Connection, record: Said) -> Told | None:
    detail = record["detail"]
    told = {name: detail[name] for name in ("issuer", "not_after")}
    return detail["device"], {"serial": record["subject"], **told}


def _waiver(_connection: Connection, record: Said) -> Told | None:
    return record["subject"], {"waiver": record["subject"], **record["detail"]}


def _feed(_connection: Connection, record: Said) -> Told | None:
    return record["subject"], {"feed": record["subject"], **record["detail"]}


_Tell = tuple[str, Callable[[Connection, Said], Told | None]]
_TOLD_ACTS: dict[str, _Tell] = {
    "device.pending": (events.PENDING, _pending),
    "device.retire": (events.RETIRED, _retired),
    "bundle.activate": (events.ACTIVATED, _activated),
    events.REMINDERS[events.EXPIRING]: (events.EXPIRING, _expiring),
    events.REMINDERS[events.WAIVER_EXPIRING]: (events.WAIVER_EXPIRING, _waiver),
    events.REMINDERS[events.WAIVER_EXPIRED]: (events.WAIVER_EXPIRED, _waiver),
    events.REMINDERS[events.FEED_STALE]: (events.FEED_STALE, _feed),
}
_TOLD: dict[str, _Tell] = {
    "enrolment": (events.ENROLLED, _enrolled),
    "decision": (events.CHANGED, _changed),
    "certificate": (events.ISSUED, _issued),
    "certificate-status": (events.STATUS, _status),
}
