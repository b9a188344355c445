"""A device's timeline: decisions, certificates, security events and acts, merged from four tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, desc, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import named
from policyengine.adapters.sql.paging import cursor_of, number, page_of, parts_of
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId
from policyengine.services.moments import micros, moment
from policyengine.services.ports import PageRequest
from policyengine.services.records import Page, TimelineEntry

Run = Callable[[Select[Any]], Sequence[Row[Any]]]
Place = tuple[int, str, str]

_decision = tables.decision.c
_certificate = tables.certificate.c
_event = tables.security_event.c
_act = tables.audit_event.c


def read_timeline(run: Run, device_id: DeviceId, page: PageRequest) -> Page[TimelineEntry]:
    """Return a page of the device's timeline, newest first; `run` executes a SELECT."""
    before = None if page.cursor is None else _place(parts_of(page.cursor, 3))
    found = [
        *_decisions(_some(run, _decision.decided_at, _decision.device_id == device_id, before, page.limit)),
        *_certificates(_some(run, _certificate.reserved_at, _certificate.device_id == device_id, before, page.limit)),
        *_security(_some(run, _event.last_at, _event.device_id == device_id, before, page.limit)),
        *_acts(_some(run, _act.at, _act.subject == device_id, before, page.limit)),
    ]
    entries = sorted((entry for entry in found if before is None or _key(entry) < before), key=_key, reverse=True)
    return page_of(entries, page.limit, lambda entry: cursor_of(*map(str, _key(entry))))


def _place(parts: Sequence[str]) -> Place:
    return number(parts[0]), parts[1], parts[2]


def _key(entry: TimelineEntry) -> Place:
    return micros(entry.at), entry.kind, entry.reference


def _some(
    run: Run, at: ColumnElement[int], mine: ColumnElement[bool], before: Place | None, limit: int
) -> Sequence[Row[Any]]:
    """Return the newest rows not after `before`, and some more for those that share its microsecond."""
    clause = select(at.table).where(mine).order_by(desc(at)).limit(limit + 16)
    return run(clause if before is None else clause.where(at <= before[0]))


def _decisions(rows: Sequence[Row[Any]]) -> list[TimelineEntry]:
    return [
        TimelineEntry(
            at=moment(row.decided_at),
            kind="decision",
            summary=Tier(row.tier).name.lower(),
            reference=named(row.decision_id),
        )
        for row in rows
    ]


def _certificates(rows: Sequence[Row[Any]]) -> list[TimelineEntry]:
    return [
        TimelineEntry(
            at=moment(row.reserved_at), kind="certificate", summary=row.status or row.state, reference=row.serial
        )
        for row in rows
    ]


def _security(rows: Sequence[Row[Any]]) -> list[TimelineEntry]:
    return [TimelineEntry(at=moment(row.last_at), kind="security", summary=row.code, reference=row.id) for row in rows]


def _acts(rows: Sequence[Row[Any]]) -> list[TimelineEntry]:
    return [
        TimelineEntry(at=moment(row.at), kind="act", summary=row.action, reference=str(row.log_index)) for row in rows
    ]
