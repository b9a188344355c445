"""What an evidence export reads: a period of a part of the fleet, in steps that no statement outlives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, func, literal, or_, select, tuple_

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.audit_reads import READ_AHEAD
from policyengine.adapters.sql.codec import named
from policyengine.adapters.sql.log_reads import leaf_of
from policyengine.adapters.sql.record_reads import audit_event_of
from policyengine.adapters.sql.retention import prunable
from policyengine.adapters.sql.rows import certificate_of, decision_of, device_of, verdict_of
from policyengine.model.ids import DeviceId
from policyengine.services.exports.period import Scope
from policyengine.services.exports.ports import Placed, PlacedCertificate
from policyengine.services.moments import micros, moment
from policyengine.services.records import Activation, AuditEvent, Device, Verdict
from policyengine.transparency.leaf import Leaf

PARCELS = 1_000  # that a fleet is divided into, so that processes share the work of verifying them
MIN_DEVICES, MAX_DEVICES = 10, 250  # of one parcel; a million devices make 48,000 members, of 65,535 a zip may have

_device = tables.device.c
_state = tables.device_state.c
_decision = tables.decision.c
_verdict = tables.verdict.c
_certificate = tables.certificate.c
_leaf = tables.log_leaf.c
_act = tables.audit_event.c


class SqlExportReads:
    """Implements the ExportReads port."""

    def __init__(self, engine: Engine) -> None:
        self._export_engine = engine

    def devices_in(self, scope: Scope) -> Iterator[tuple[Device, ...]]:
        """Yield the devices of `scope` by id, a parcel at a time."""
        count = self._run(select(func.count()).select_from(tables.device).where(*_in_scope(scope)))[0][0]
        size = min(MAX_DEVICES, max(MIN_DEVICES, count // PARCELS))
        clause = select(tables.device).where(*_in_scope(scope)).order_by(_device.id).limit(size)
        rows = self._run(clause)
        while rows:
            yield tuple(device_of(row._mapping) for row in rows)
            rows = self._run(clause.where(_device.id > rows[-1].id))

    def decisions_of(
        self, devices: Sequence[DeviceId], *, start: datetime, end: datetime, size: int
    ) -> Iterator[Placed]:
        """Yield the decisions in force between `start` and `end`, by device and time."""
        before = (
            select(_decision.device_id, func.max(_decision.decided_at).label("since"))
            .where(_decision.device_id.in_(devices), _decision.decided_at <= micros(start))
            .group_by(_decision.device_id)
            .subquery()
        )
        clause = (
            select(tables.decision)
            .outerjoin(before, before.c.device_id == _decision.device_id)
            .where(
                _decision.device_id.in_(devices),
                _decision.decided_at < micros(end),
                _decision.decided_at >= func.coalesce(before.c.since, 0),
                _recorded(_decision.log_index, size),
            )
        )
        for row in self._stepped(clause, _decision.device_id, _decision.decided_at, _decision.decision_id):
            yield Placed(record=decision_of(row._mapping), leaf=row.log_index)

    def verdicts_of(self, devices: Sequence[DeviceId], *, start: datetime, end: datetime) -> Iterator[Verdict]:
        """Yield verdict intervals that touch the time between `start` and `end`, by device, binding, rule and time."""
        clause = select(tables.verdict).where(
            _verdict.device_id.in_(devices),
            _verdict.valid_from < micros(end),
            or_(_verdict.valid_to.is_(None), _verdict.valid_to > micros(start)),
        )
        for row in self._stepped(clause, _verdict.device_id, _verdict.rule, _verdict.binding, _verdict.valid_from):
            yield verdict_of(row._mapping)

    def certificates_of(
        self, devices: Sequence[DeviceId], *, start: datetime, end: datetime, size: int
    ) -> Iterator[PlacedCertificate]:
        """Yield issued certificates that were valid between `start` and `end`, by device and lineage."""
        clause = select(tables.certificate).where(
            _certificate.device_id.in_(devices),
            _certificate.state == "issued",
            _certificate.not_before < micros(end),
            _certificate.not_after > micros(start),
            _recorded(_certificate.log_index, size),
        )
        for row in self._stepped(clause, _certificate.device_id, _certificate.lineage):
            yield PlacedCertificate(record=certificate_of(row._mapping), leaf=row.log_index)

    def results_of(self, devices: Sequence[DeviceId]) -> Iterator[tuple[DeviceId, bytes]]:
        """Yield the last replies to check-ins that are still kept, by device."""
        kept = select(_state.device_id, _state.reply).where(_state.device_id.in_(devices), _state.reply.is_not(None))
        for row in self._run(kept.order_by(_state.device_id)):
            yield DeviceId(row.device_id), row.reply

    def leaves_between(self, start: datetime, end: datetime, *, size: int) -> Iterator[Leaf]:
        """Yield the leaves of a period, in the log's order."""
        clause = select(tables.log_leaf).where(
            _leaf.log_index < size, _leaf.at >= micros(start), _leaf.at < micros(end)
        )
        for row in self._stepped(clause, _leaf.log_index):
            yield leaf_of(row)

    def leaves_at(self, indexes: Sequence[int]) -> Iterator[Leaf]:
        """Yield the leaves at `indexes`, which ascend."""
        for at in range(0, len(indexes), READ_AHEAD):
            some = list(indexes[at : at + READ_AHEAD])
            for row in self._run(select(tables.log_leaf).where(_leaf.log_index.in_(some)).order_by(_leaf.log_index)):
                yield leaf_of(row)

    def activations_between(self, start: datetime, end: datetime) -> tuple[Activation, ...]:
        """Return which bundles were in force between `start` and `end`, oldest first."""
        table = tables.activation.c
        first = select(func.max(table.generation)).where(table.activated_at <= micros(start)).scalar_subquery()
        clause = select(tables.activation).where(
            table.activated_at < micros(end), table.generation >= func.coalesce(first, 0)
        )
        return tuple(
            Activation(
                generation=row.generation,
                digest=named(row.digest),
                activated_at=moment(row.activated_at),
                actor=row.actor,
            )
            for row in self._run(clause.order_by(table.generation))
        )

    def acts_about(self, subject: str) -> tuple[int, ...]:
        """Return where the leaves of administrative acts on `subject` stand."""
        clause = select(_act.log_index).where(_act.subject == subject).order_by(_act.log_index)
        return tuple(row.log_index for row in self._run(clause))

    def acts_on(self, subject: str) -> tuple[AuditEvent, ...]:
        """Return the administrative acts on `subject`, oldest first."""
        clause = select(tables.audit_event).where(_act.subject == subject).order_by(_act.log_index)
        return tuple(audit_event_of(row) for row in self._run(clause))

    def first_decision_at(self) -> datetime | None:
        """Return when the oldest kept decision was made."""
        (row,) = self._run(select(func.min(tables.decision.c.decided_at).label("at")))
        return None if row.at is None else moment(row.at)

    def prunable(self, before: datetime) -> int:
        """Return how many decisions made before a moment nothing here needs any more."""
        clause = select(func.count().label("count")).select_from(tables.decision).where(prunable(micros(before)))
        return int(self._run(clause)[0][0])

    def _run(self, clause: Select[Any]) -> Sequence[Row[Any]]:
        with self._export_engine.connect() as connection:
            return connection.execute(clause).all()

    def _stepped(self, clause: Select[Any], *place: ColumnElement[Any]) -> Iterator[Row[Any]]:
        """Yield the rows by `place`, which names each, READ_AHEAD of them in one statement."""
        ordered = clause.order_by(*place).limit(READ_AHEAD)
        rows = self._run(ordered)
        while rows:
            yield from rows
            last = tuple_(*(literal(rows[-1]._mapping[str(column.key)], column.type) for column in place))
            rows = self._run(ordered.where(tuple_(*place) > last)) if len(rows) == READ_AHEAD else ()


def _in_scope(scope: Scope) -> list[ColumnElement[bool]]:
    columns = {_device.id: scope.device, _device.model: scope.model, _device.site: scope.site, _device.zone: scope.zone}
    return [column.in_(values) for column, values in columns.items() if values]


def _recorded(index: ColumnElement[Any], size: int) -> ColumnElement[bool]:
    """Return the condition that a row was recorded up to leaf `size`; null: before there were places."""
    return or_(index.is_(None), index < size)
