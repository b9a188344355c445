"""What people, programs and auditors read of devices, decisions and rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, desc, func, literal, or_, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.checkin_reads import view_of, view_select
from policyengine.adapters.sql.codec import raw
from policyengine.adapters.sql.device_pages import device_page
from policyengine.adapters.sql.migration import demand_revision, stored_revision
from policyengine.adapters.sql.paging import cursor_of, number, page_of, parts_of, raw_hex
from policyengine.adapters.sql.registry import open_tokens, registered
from policyengine.adapters.sql.rows import decision_of, state_of, verdict_of
from policyengine.adapters.sql.timeline import read_timeline
from policyengine.model.decision import Result, Tier
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.errors import UnavailableError
from policyengine.services.moments import micros, moment
from policyengine.services.ports import DeviceFilter, PageRequest
from policyengine.services.records import (
    DecisionRecord,
    Device,
    DeviceState,
    Measured,
    Page,
    TimelineEntry,
    Unmatched,
    Verdict,
)

_device = tables.device.c
_state = tables.device_state.c
_decision = tables.decision.c
_verdict = tables.verdict.c


READ_AHEAD = 500  # rows of one step through a long history; no statement and no lock outlives it


class SqlAuditReads:
    """The part of the AuditReads port that is about devices and decisions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _all(self, clause: Select[Any]) -> list[Row[Any]]:
        with self._engine.connect() as connection:
            return list(connection.execute(clause).all())

    def devices(self, where: DeviceFilter, page: PageRequest) -> Page[tuple[Device, DeviceState | None]]:
        """Return devices by id."""
        on_page = device_page(where, page, self._engine.dialect).subquery()
        clause = view_select().where(_device.id.in_(select(on_page.c.id))).order_by(_device.id)
        rows = [view_of(row) for row in self._all(clause)]
        found = page_of(rows, page.limit, lambda view: cursor_of(view.device.id))
        return Page(items=tuple((view.device, view.state) for view in found.items), next=found.next)

    def registered(self, ids: Sequence[DeviceId]) -> Mapping[DeviceId, Device]:
        """Return the registry rows of those of `ids` that it has, and of ids that differ from one in case only."""
        with self._engine.connect() as connection:
            return registered(connection, ids)

    def open_tokens(self, ids: Sequence[DeviceId], now: datetime) -> frozenset[DeviceId]:
        """Return those of `ids` that hold a one-time token which can be redeemed at `now`."""
        with self._engine.connect() as connection:
            return open_tokens(connection, ids, now)

    def tiers(self, models: frozenset[str] | None) -> Mapping[str, Mapping[str, int]]:
        """Return how many operational devices of each model are in each tier."""
        clause = (
            select(_device.model, _state.tier, func.count())
            .join(tables.device_state, _state.device_id == _device.id)
            .where(*_in_models(models))
            .group_by(_device.model, _state.tier)
        )
        counts: dict[str, dict[str, int]] = {}
        for model, tier, count in map(tuple, self._all(clause)):
            counts.setdefault(model, {})[Tier(tier).name.lower()] = count
        return counts

    def state_of_decision(self, decision_id: Digest) -> DeviceState | None:
        """Return the state whose current decision this is."""
        rows = self._all(select(tables.device_state).where(_state.decision_id == raw(decision_id)))
        return state_of(rows[0]._mapping) if rows else None

    def decision(self, decision_id: Digest) -> DecisionRecord | None:
        """Return a decision that changed something."""
        rows = self._all(select(tables.decision).where(_decision.decision_id == raw(decision_id)))
        return decision_of(rows[0]._mapping) if rows else None

    def decisions(
        self, device_id: DeviceId, page: PageRequest, *, until: datetime | None = None
    ) -> Page[DecisionRecord]:
        """Return a device's decisions that changed something, newest first."""
        clause = select(tables.decision).where(_decision.device_id == device_id)
        if until is not None:
            clause = clause.where(_decision.decided_at <= micros(until))
        if page.cursor is not None:
            at, decision_id = parts_of(page.cursor, 2)
            place = tuple_(_decision.decided_at, _decision.decision_id)
            clause = clause.where(place < tuple_(literal(number(at)), literal(raw_hex(decision_id))))
        ordered = clause.order_by(desc(_decision.decided_at), desc(_decision.decision_id)).limit(page.limit + 1)
        rows = [decision_of(row._mapping) for row in self._all(ordered)]
        return page_of(rows, page.limit, lambda row: cursor_of(str(micros(row.decided_at)), row.decision_id[7:]))

    def all_decisions(self) -> Iterator[DecisionRecord]:
        """Yield every stored decision, oldest first."""
        place = tuple_(_decision.decided_at, _decision.decision_id)
        clause = select(tables.decision).order_by(_decision.decided_at, _decision.decision_id).limit(READ_AHEAD)
        rows = self._all(clause)
        while rows:
            yield from (decision_of(row._mapping) for row in rows)
            last = tuple_(literal(rows[-1].decided_at), literal(rows[-1].decision_id))
            rows = self._all(clause.where(place > last))

    def all_states(self) -> Iterator[DeviceState]:
        """Yield every device's state, by id."""
        clause = select(tables.device_state).order_by(_state.device_id).limit(READ_AHEAD)
        rows = self._all(clause)
        while rows:
            yield from (state_of(row._mapping) for row in rows)
            rows = self._all(clause.where(_state.device_id > rows[-1].device_id))

    def verdicts(self, device_id: DeviceId, at: datetime | None) -> tuple[Verdict, ...]:
        """Return what the rules said of a device at a moment; None: now."""
        clause = select(tables.verdict).where(_verdict.device_id == device_id, *_valid_at(at))
        rows = self._all(clause.order_by(_verdict.rule, _verdict.binding))
        return tuple(verdict_of(row._mapping) for row in rows)

    def waived(
        self, rules: Sequence[str], *, at: datetime | None, models: frozenset[str] | None, limit: int
    ) -> tuple[Verdict, ...]:
        """Return what of `rules` was waived on up to `limit` devices at a moment, by device; None: now."""
        held = (_verdict.rule.in_(rules), _verdict.result == Result.WAIVED.value, *_valid_at(at))
        some = (
            select(_verdict.device_id)
            .join(tables.device, _device.id == _verdict.device_id)
            .where(*held, *_in_models(models))
            .distinct()
            .order_by(_verdict.device_id)
            .limit(limit)
            .subquery()
        )
        clause = select(tables.verdict).where(*held, _verdict.device_id.in_(select(some.c.device_id)))
        rows = self._all(clause.order_by(_verdict.device_id, _verdict.rule, _verdict.binding))
        return tuple(verdict_of(row._mapping) for row in rows)

    def unmatched(self, model: str, limit: int) -> tuple[Unmatched, ...]:
        """Return measurements of `model` that nothing endorsed when they were seen, the latest seen first."""
        row = tables.unmatched_measurement.c
        clause = (
            select(
                row.component,
                row.digest,
                func.min(row.first_seen).label("first"),
                func.max(row.last_seen).label("last"),
                func.count().label("devices"),
                func.min(row.device_id).label("example"),
            )
            .where(row.model == model)
            .group_by(row.component, row.digest)
            .order_by(func.max(row.last_seen).desc(), row.component, row.digest)
            .limit(limit)
        )
        return tuple(
            Unmatched(
                measured=Measured(model=model, component=found.component, digest=found.digest),
                first_seen=moment(found.first),
                last_seen=moment(found.last),
                devices=found.devices,
                example=DeviceId(found.example),
            )
            for found in self._all(clause)
        )

    def timeline(self, device_id: DeviceId, page: PageRequest, *, until: datetime | None = None) -> Page[TimelineEntry]:
        """Return what happened to a device, newest first."""
        return read_timeline(self._all, device_id, page, until=until)

    def ping(self) -> None:
        """Return when storage answers and has the schema of this version; raises UnavailableError."""
        try:
            rows = self._all(select(tables.log_head.c.size, stored_revision().label("revision")))
        except SQLAlchemyError as cause:
            raise UnavailableError("storage does not answer", code="store.unavailable") from cause
        for row in rows:
            demand_revision(row.revision)


def _in_models(models: frozenset[str] | None) -> list[ColumnElement[bool]]:
    return [] if models is None else [_device.model.in_(sorted(models))]


def _valid_at(at: datetime | None) -> list[ColumnElement[bool]]:
    if at is None:
        return [_verdict.valid_to.is_(None)]
    at_us = micros(at)
    return [_verdict.valid_from <= at_us, or_(_verdict.valid_to.is_(None), _verdict.valid_to > at_us)]
