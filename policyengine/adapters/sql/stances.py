"""Recording stances: an interval closed and opened, and the sums moved, only where something changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.services.compliance.stance import StanceCell
from policyengine.services.moments import micros
from policyengine.services.records import Device

_device = tables.device.c
_stance = tables.stance.c
_cell = tables.stance_cell.c


class _Place(NamedTuple):
    model: str
    site: str
    zone: str


_Counted = frozenset[tuple[_Place, StanceCell]]


def record_stance(batch: Batch, device_id: str, cells: Sequence[StanceCell], *, at_us: int) -> None:
    """Queue what a decided device's stance changes."""
    row = batch.connection.execute(
        select(_device.model, _device.site, _device.zone).where(_device.id == device_id)
    ).one()
    _change(batch, device_id, _Place(row.model, row.site or "", row.zone or ""), cells, at_us=at_us)


def move_stances(batch: Batch, devices: Iterable[Device]) -> None:
    """Write that decided devices stand elsewhere now."""
    for device in devices:
        place = _Place(device.model, device.site or "", device.zone or "")
        held = _held(batch, device.id)
        if held is not None and _place_of(held) != place:
            _change(batch, device.id, place, _cells(batch, held.stance), at_us=micros(device.updated_at))
    batch.flush()


def end_stance(batch: Batch, device_id: str, *, at_us: int) -> None:
    """Write that a device has left the fleet; its past stays counted."""
    held = _held(batch, device_id)
    if held is not None:
        at_us = _end(batch, held, at_us=at_us)
        _count(batch, _counted(_place_of(held), _cells(batch, held.stance)), frozenset(), at_us=at_us)
        batch.flush()


def _change(batch: Batch, device_id: str, place: _Place, cells: Sequence[StanceCell], *, at_us: int) -> None:
    digest, held, before = _digest(cells), _held(batch, device_id), _Counted()
    if held is not None:
        if held.stance == digest and _place_of(held) == place:
            return
        at_us = _end(batch, held, at_us=at_us)
        before = _counted(_place_of(held), _cells(batch, held.stance))
    row = {"device_id": device_id, "valid_from": at_us, "valid_to": None, "stance": digest}
    batch.add("stances", row | place._asdict())
    batch.cells(digest, [{"control": each.control, "result": each.result, "source": each.source} for each in cells])
    _count(batch, before, _counted(place, cells), at_us=at_us)


def _held(batch: Batch, device_id: str) -> Row[Any] | None:
    found = select(tables.stance).where(_stance.device_id == device_id, _stance.valid_to.is_(None))
    return batch.connection.execute(found).first()


def _end(batch: Batch, held: Row[Any], *, at_us: int) -> int:
    """Queue the end of an interval and return when it is: never before it began, whatever the clock says."""
    end: int = max(at_us, held.valid_from + 1)
    batch.add("ended_stances", {"valid_to": end, "device_id": held.device_id, "valid_from": held.valid_from})
    return end


def _place_of(held: Row[Any]) -> _Place:
    return _Place(held.model, held.site, held.zone)


def _cells(batch: Batch, stance: bytes) -> list[StanceCell]:
    rows = batch.connection.execute(select(_cell.control, _cell.result, _cell.source).where(_cell.stance == stance))
    return [StanceCell(*row) for row in rows]


def _counted(place: _Place, cells: Iterable[StanceCell]) -> _Counted:
    return frozenset((place, cell) for cell in cells)


def _count(batch: Batch, before: _Counted, after: _Counted, *, at_us: int) -> None:
    for delta, counted in ((-1, before - after), (1, after - before)):
        for place, cell in counted:
            batch.tallies.add((cell.control, place.model, cell.result, cell.source), delta, at_us=at_us)


def _digest(cells: Iterable[StanceCell]) -> bytes:
    text = "\n".join(f"{cell.control}\t{cell.result}\t{cell.source}" for cell in sorted(cells))
    return hashlib.sha256(b"policyengine stance v1\n" + text.encode()).digest()
