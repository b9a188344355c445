"""A device's timeline: decisions, certificates, security events and acts, merged from five tables.

Nothing that stands in it ever changes: a certificate's later statuses are entries of their own, and repeats of a
security event are counted where it began.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
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
_status = tables.certificate_status.c
_event = tables.security_event.c
_act = tables.audit_event.c


class _Reading:
    """One page of a timeline; `run` executes a SELECT."""

    def __init__(self, run: Run, page: PageRequest, until: datetime | None) -> None:
        self.before = None if page.cursor is None else _place(parts_of(page.cursor, 3))
        self._run = run
        self._limit = page.limit
        self._until = until

    def some(self, clause: Select[Any], at: ColumnElement[int]) -> Sequence[Row[Any]]:
        """Return the newest rows not after the page's start, and some more for those that share its microsecond."""
        wanted = clause.order_by(desc(at)).limit(self._limit + 16)
        if self.before is not None:
            wanted = wanted.where(at <= self.before[0])
        return self._run(wanted if self._until is None else wanted.where(at <= micros(self._until)))


def read_timeline(
    run: Run, device_id: DeviceId, page: PageRequest, *, until: datetime | None = None
) -> Page[TimelineEntry]:
    """Return a page of the device's timeline, newest first, with `until` only what had happened by then."""
    reading = _Reading(run, page, until)
    before = reading.before
    found = [
        *_decisions(reading, device_id),
        *_issued(reading, device_id),
        *_statuses(reading, device_id),
        *_security(reading, device_id),
        *_acts(reading, device_id),
    ]
    entries = sorted((entry for entry in found if before is None or _key(entry) < before), key=_key, reverse=True)
    return page_of(entries, page.limit, lambda entry: cursor_of(*map(str, _key(entry))))


def _place(parts: Sequence[str]) -> Place:
    return number(parts[0]), parts[1], parts[2]


def _key(entry: TimelineEntry) -> Place:
    return micros(entry.at), entry.kind, entry.reference


def _decisions(reading: _Reading, device_id: DeviceId) -> list[TimelineEntry]:
    clause = select(tables.decision).where(_decision.device_id == device_id)
    return [
        TimelineEntry(
            at=moment(row.decided_at),
            kind="decision",
            summary=Tier(row.tier).name.lower(),
            reference=named(row.decision_id),
        )
        for row in reading.some(clause, _decision.decided_at)
    ]


def _issued(reading: _Reading, device_id: DeviceId) -> list[TimelineEntry]:
    """Return how reservations ended: `issued` or `aborted`; one that is open is not history yet."""
    clause = select(tables.certificate).where(_certificate.device_id == device_id)
    return [
        TimelineEntry(at=moment(row.closed_at), kind="certificate", summary=row.state, reference=row.serial)
        for row in reading.some(clause.where(_certificate.closed_at.is_not(None)), _certificate.closed_at)
    ]


def _statuses(reading: _Reading, device_id: DeviceId) -> list[TimelineEntry]:
    same = (_status.issuer == _certificate.issuer) & (_status.serial == _certificate.serial)
    clause = select(tables.certificate_status).join(tables.certificate, same)
    return [
        TimelineEntry(at=moment(row.status_at), kind="certificate-status", summary=row.status, reference=row.serial)
        for row in reading.some(clause.where(_certificate.device_id == device_id), _status.status_at)
    ]


def _security(reading: _Reading, device_id: DeviceId) -> list[TimelineEntry]:
    clause = select(tables.security_event).where(_event.device_id == device_id)
    return [
        TimelineEntry(at=moment(row.first_at), kind="security", summary=row.code, reference=row.id)
        for row in reading.some(clause, _event.first_at)
    ]


def _acts(reading: _Reading, device_id: DeviceId) -> list[TimelineEntry]:
    clause = select(tables.audit_event).where(_act.subject == device_id)
    return [
        TimelineEntry(at=moment(row.at), kind="act", summary=row.action, reference=str(row.log_index))
        for row in reading.some(clause, _act.at)
    ]
