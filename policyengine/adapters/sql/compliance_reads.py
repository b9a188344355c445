"""How devices stand towards controls: the fleet from sums, one place from its intervals, then as now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Integer, case, func, literal, or_, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.checkin_reads import activation_of
from policyengine.adapters.sql.paging import cursor_of, page_of, parts_of
from policyengine.adapters.sql.tallies import NOW, UNIT, bucket_of, start_of
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
            if scope.sites is not None or scope.zones is not None:
                return _counts([_placed(connection, scope, framework, at)], at)
            if at is None:
                return _counts([_buckets(connection, scope, framework, _tally.bucket == NOW)], at)
            whole = (_tally.bucket > NOW) & (_tally.bucket < bucket_of(micros(at)))
            found = [_buckets(connection, scope, framework, whole), *_rest(connection, scope, framework, micros(at))]
            return _counts(found, at)

    def control_devices(
        self, scope: FleetScope, *, control: str, result: str | None, at: datetime | None, page: PageRequest
    ) -> Page[DeviceStance]:
        """Return the devices that stand towards `control`, by id."""
        clause = (
            select(*tables.stance.c, _cell.result, _cell.source)
            .join(tables.stance_cell, _cell.stance == _stance.stance)
            .where(_cell.control == control, _holds(at), *_inside(scope, tables.stance))
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


def _buckets(connection: Connection, scope: FleetScope, framework: str | None, which: ColumnElement[bool]) -> _Sums:
    """Return the sums of whole buckets."""
    began = func.sum(_tally.delta * _tally.bucket)
    clause = (
        select(_tally.control, _tally.result, _tally.source, func.sum(_tally.delta), func.sum(_tally.weight), began)
        .where(which, *_inside(scope, tables.stance_tally))
        .group_by(_tally.control, _tally.result, _tally.source)
    )
    if framework is not None:
        clause = clause.where(_tally.framework.in_(("", framework)))
    return {
        (control, result, source): (int(delta), (int(weight) << UNIT) + start_of(int(bucket)))
        for control, result, source, delta, weight, bucket in map(tuple, connection.execute(clause))
    }


def _rest(connection: Connection, scope: FleetScope, framework: str | None, at_us: int) -> Iterable[_Sums]:
    """Yield the sums of what began, and what ended, in the bucket that was not over."""
    start = start_of(bucket_of(at_us))
    for sign, column in ((1, _stance.valid_from), (-1, _stance.valid_to)):
        since = func.sum(column - start)
        happened = (column >= start) & (column <= at_us)
        yield {
            cell: (sign * count, sign * (after + count * start))
            for cell, count, after in _by_cell(connection, scope, framework, _Sum(func.count(), since), happened)
        }


def _placed(connection: Connection, scope: FleetScope, framework: str | None, at: datetime | None) -> _Sums:
    """Return the sums over the devices of some places, which have an index of their own instead of sums."""
    if at is None:
        now = _by_cell(connection, scope, framework, _Sum(func.count(), func.sum(0)), _stance.valid_to.is_(None))
        return {cell: (devices, 0) for cell, devices, _ in now}
    at_us = micros(at)
    ended = case((_stance.valid_to <= at_us, 1), else_=0)
    # As if each had been added at valid_from and, if it ended, taken away at valid_to; times are from `at` on, as sums
    # of whole microseconds would not fit 64 bits.
    taken = func.coalesce(ended * (_stance.valid_to - at_us), 0)
    changes = (_stance.valid_from - at_us - taken).bitwise_rshift(literal(UNIT, Integer))
    sums = _Sum(func.sum(1 - ended), func.sum(changes))
    rows = _by_cell(connection, scope, framework, sums, _stance.valid_from <= at_us)
    return {cell: (devices, devices * at_us + (weight << UNIT)) for cell, devices, weight in rows}


class _Sum(NamedTuple):
    devices: ColumnElement[int]
    weight: ColumnElement[int]


def _by_cell(
    connection: Connection,
    scope: FleetScope,
    framework: str | None,
    sums: _Sum,
    which: ColumnElement[bool],
) -> Iterator[tuple[_Cell, int, int]]:
    """Yield `sums` over the intervals of each cell: by stance first, for there are few."""
    grouped = (
        select(_stance.stance, sums.devices.label("devices"), sums.weight.label("weight"))
        .where(which, *_inside(scope, tables.stance))
        .group_by(_stance.stance)
        .subquery()
    )
    clause = (
        select(_cell.control, _cell.result, _cell.source, func.sum(grouped.c.devices), func.sum(grouped.c.weight))
        .join(grouped, grouped.c.stance == _cell.stance)
        .where(*_of(framework, _cell.control))
        .group_by(_cell.control, _cell.result, _cell.source)
    )
    for control, result, source, devices, weighted in map(tuple, connection.execute(clause)):
        yield (control, result, source), int(devices), int(weighted)


def _counts(found: Sequence[_Sums], at: datetime | None) -> tuple[ControlCount, ...]:
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
            device_time=0 if at is None else devices * micros(at) - weighted,
        )
        for (control, result, source), (devices, weighted) in sorted(sums.items())
        if devices or weighted
    )


def _inside(scope: FleetScope, table: FromClause) -> list[ColumnElement[bool]]:
    wanted = {"model": scope.models, "site": scope.sites, "zone": scope.zones}
    return [table.c[name].in_(sorted(names)) for name, names in wanted.items() if names is not None and name in table.c]


def _of(framework: str | None, control: ColumnElement[str]) -> list[ColumnElement[bool]]:
    """Return the condition that a control is of `framework`, or stands for the device itself."""
    if framework is None:
        return []
    prefix = f"{framework}:"
    return [or_(control == "", func.substr(control, 1, len(prefix)) == prefix)]


def _holds(at: datetime | None) -> ColumnElement[bool]:
    if at is None:
        return _stance.valid_to.is_(None)
    at_us = micros(at)
    return (_stance.valid_from <= at_us) & or_(_stance.valid_to.is_(None), _stance.valid_to > at_us)


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
