"""Which devices stand on a page of a list: found by narrow rows in the order of an index, whatever the filter.

A filter by several models is as many lists merged: an index gives the devices of one model in order, not of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Select, false, select, union_all
from sqlalchemy.sql.selectable import SelectBase

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.paging import parts_of
from policyengine.services.ports import DeviceFilter, PageRequest

LAST = "\U0010ffff"  # no text that begins with another comes after the two together

_device = tables.device.c
_state = tables.device_state.c


def device_page(where: DeviceFilter, page: PageRequest, dialect: Dialect) -> SelectBase:
    """Return the SELECT of the ids on a page, and of the one after it; raises InvalidRequestError."""
    if where.tier is None:
        found, place = select(_device.id.label("id")), _device.id
    else:
        found = select(_state.device_id.label("id")).join(tables.device, _device.id == _state.device_id)
        found, place = found.where(_state.tier == int(where.tier)), _state.device_id
    return merged(found.where(*_conditions(where, dialect)), where.models, page, place=place)


def merged(
    found: Select[Any], models: frozenset[str] | None, page: PageRequest, *, place: ColumnElement[str]
) -> SelectBase:
    """Return the page of `found`, which has an id labelled `id`, in the order of `place`; each model by itself."""
    if page.cursor is not None:
        found = found.where(place > parts_of(page.cursor, 1)[0])
    ordered = found.order_by(place).limit(page.limit + 1)
    if models is None:
        return ordered
    return _first_of([ordered.where(_device.model == model) for model in sorted(models)], ordered, page)


def _first_of(parts: Sequence[Select[Any]], whole: Select[Any], page: PageRequest) -> SelectBase:
    if len(parts) < 2:
        return parts[0] if parts else whole.where(false())
    together = union_all(*(select(part.subquery().c.id) for part in parts)).subquery()
    return select(together.c.id).order_by(together.c.id).limit(page.limit + 1)


def _conditions(where: DeviceFilter, dialect: Dialect) -> list[ColumnElement[bool]]:
    equal = {_device.site: where.site, _device.zone: where.zone}
    wanted = [column == value for column, value in equal.items() if value is not None]
    if where.lifecycle is not None:
        wanted.append(_device.lifecycle == where.lifecycle.value)
    return wanted if not where.text else [*wanted, *_begins(where.text, dialect)]


def _begins(text: str, dialect: Dialect) -> list[ColumnElement[bool]]:
    begins = _device.id.startswith(text, autoescape=True)
    if dialect.name != "sqlite":
        return [begins]  # its order may be that of a language, in which a range is another set
    return [begins, _device.id >= text, _device.id < text + LAST]
