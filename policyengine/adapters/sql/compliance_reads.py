"""How the fleet stands towards controls: now from one row a cell, at a past moment from whole buckets and a rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, FromClause, Select, cast, func, or_, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.checkin_reads import activation_of
from policyengine.adapters.sql.paging import cursor_of, page_of, parts_of
from policyengine.adapters.sql.tallies import NOW, UNIT, Span, rest_from, spans
from policyengine.model.ids import DeviceId
from policyengine.services.fleet_scope import FleetScope
from policyengine.services.moments import micros, moment
from policyengine.services.ports import PageRequest
from policyengine.services.records import Activation, ControlCount, DeviceStance, Page

_stance = tables.stance.c
_cell = tables.stance_cell.c
_tally = tables.stance_tally.c

_Cell = tuple[str, str, str]
_Sums = dict[_Cell, tuple[int, int]]  # devices that came to it less those that left it; each change times its moment


class SqlComplianceReads:
    """Implements the ComplianceReads port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def control_counts(
        self, scope: FleetScope, *, framework: str | None, at: datetime | None
    ) -> tuple[ControlCount, ...]:
        """Return for each control, result and weakest source how many devices."""
        with self._engine.connect() as connection:
            if at is None:
                found = [_buckets(connection, Span(NOW, 0, 1), scope, framework)]
            else:
                at_us = micros(at)
                found = [_buckets(connection, span, scope, framework) for span in spans(at_us)]
                found += _rest(connection, at_us, scope, framework)
        return _counts(found, at_us=0 if at is None else micros(at))

    def control_devices(
        self, scope: FleetScope, *, control: str, result: str | None, at: datetime | None, page: PageRequest
    ) -> Page[DeviceStance]:
        """Return the devices that stand towards `control`, by id."""
        clause = (
            select(*tables.stance.c, _cell.result, _cell.source)
            .join(tables.stance_cell, _cell.stance == _stance.stance)
            .where(_cell.control == control, *_valid_at(at), *_inside(scope, tables.stance))
            .order_by(_stance.device_id)
            .limit(page.limit + 1)
        )
        if result is not None:
            clause = clause.where(_cell.result == result)
        if page.cursor is not None:
            clause = clause.where(_stance.device_id > parts_of(page.cursor, 1)[0])
        with self._engine.connect() as connection:
            rows = [_device_stance(row) for row in connection.execute(clause)]
        return page_of(rows, page.limit, lambda row: cursor_of(row.device_id))

    def activation_at(self, at: datetime) -> Activation | None:
        """Return which bundle was in force at a moment."""
        row = tables.activation.c
        clause = select(tables.activation).where(row.activated_at <= micros(at)).order_by(row.generation.desc())
        with self._engine.connect() as connection:
            found = connection.execute(clause.limit(1)).first()
        return None if found is None else activation_of(found)


def _buckets(connection: Connection, span: Span, scope: FleetScope, framework: str | None) -> _Sums:
    """Return the sums of whole buckets."""
    began = func.sum(_tally.delta * _tally.bucket)
    clause = (
        select(_tally.control, _tally.result, _tally.source, func.sum(_tally.delta), func.sum(_tally.weight), began)
        .where(_tally.level == span.width, _tally.bucket >= span.first, _tally.bucket < span.end)
        .where(*_inside(scope, tables.stance_tally), *_of(framework, _tally.control))
        .group_by(_tally.control, _tally.result, _tally.source)
    )
    rows = connection.execute(clause).all()
    return {
        (control, result, source): (int(delta), (int(weight) << UNIT) + (int(bucket) << span.width))
        for control, result, source, delta, weight, bucket in map(tuple, rows)
    }


def _rest(connection: Connection, at_us: int, scope: FleetScope, framework: str | None) -> Iterable[_Sums]:
    """Yield the sums of what began and what ended since the last whole bucket."""
    for sign, column in ((1, _stance.valid_from), (-1, _stance.valid_to)):
        after = cast(func.sum(column - rest_from(at_us)), BigInteger)
        clause: Select[Any] = (
            select(_cell.control, _cell.result, _cell.source, func.count(), after)
            .select_from(tables.stance.join(tables.stance_cell, _cell.stance == _stance.stance))
            .where(column >= rest_from(at_us), column <= at_us)
            .where(*_inside(scope, tables.stance), *_of(framework, _cell.control))
            .group_by(_cell.control, _cell.result, _cell.source)
        )
        rows = connection.execute(clause).all()
        yield {
            (control, result, source): (sign * count, sign * (int(since) + count * rest_from(at_us)))
            for control, result, source, count, since in map(tuple, rows)
        }


def _counts(found: Sequence[_Sums], *, at_us: int) -> tuple[ControlCount, ...]:
    sums: dict[_Cell, list[int]] = defaultdict(lambda: [0, 0])
    for part in found:
        for cell, (devices, weighted) in part.items():
            sums[cell][0] += devices
            sums[cell][1] += weighted
    return tuple(
        ControlCount(
            control=control,
            result=result,
            source=source,
            devices=devices,
            device_time=devices * at_us - weighted if at_us else 0,
        )
        for (control, result, source), (devices, weighted) in sorted(sums.items())
        if devices or weighted
    )


def _inside(scope: FleetScope, table: FromClause) -> list[ColumnElement[bool]]:
    wanted = {"model": scope.models, "site": scope.sites, "zone": scope.zones}
    return [table.c[name].in_(sorted(names)) for name, names in wanted.items() if names is not None]


def _of(framework: str | None, control: ColumnElement[str]) -> list[ColumnElement[bool]]:
    """Return the condition that a control is of `framework`, or stands for the device itself."""
    if framework is None:
        return []
    prefix = f"{framework}:"
    return [or_(control == "", func.substr(control, 1, len(prefix)) == prefix)]


def _valid_at(at: datetime | None) -> list[ColumnElement[bool]]:
    if at is None:
        return [_stance.valid_to.is_(None)]
    at_us = micros(at)
    return [_stance.valid_from <= at_us, or_(_stance.valid_to.is_(None), _stance.valid_to > at_us)]


def _device_stance(row: Any) -> DeviceStance:
    return DeviceStance(
        device_id=DeviceId(row.device_id),
        model=row.model,
        site=row.site or None,
        zone=row.zone or None,
        result=row.result,
        source=row.source or None,
        since=moment(row.valid_from),
    )
