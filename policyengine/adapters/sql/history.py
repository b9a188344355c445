"""What the registry said of each device, kept as intervals: closed and opened with every change of its row."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import case, func, literal, select, update
from sqlalchemy import insert as insert_into

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch

IDS_AT_ONCE = 500  # parameters of one statement; SQLite's oldest limit is 999

_device = tables.device.c
_state = tables.device_state.c
_history = tables.device_history.c

_REGISTERED = (
    "serial",
    "device_class",
    "hw_version",
    "site",
    "zone",
    "labels",
    "criticality",
    "lifecycle",
    "created_at",
    "updated_at",
    "enrolled_at",
    "gateways",
)
_STATED = ("identity_kind", "key_thumbprint", "restriction")


def keep_history(batch: Batch, ids: Sequence[str], *, at_us: int) -> None:
    """Write that the devices are from now on as their rows say; what they were until now stays."""
    batch.flush()
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = ids[start : start + IDS_AT_ONCE]
        _close(batch, some, at_us=at_us)
        _open(batch, some, at_us=at_us)


def _close(batch: Batch, ids: Sequence[str], *, at_us: int) -> None:
    end = case((_history.valid_from < at_us, at_us), else_=_history.valid_from + 1)  # the clock may have gone back
    still = (_history.device_id.in_(ids)) & (_history.valid_to.is_(None))
    batch.connection.execute(update(tables.device_history).where(still).values(valid_to=end))


def _open(batch: Batch, ids: Sequence[str], *, at_us: int) -> None:
    ended = select(func.max(_history.valid_to)).where(_history.device_id == _device.id).scalar_subquery()
    names = ["device_id", "valid_from", *_REGISTERED, *_STATED]
    now = (
        select(
            _device.id,
            func.coalesce(ended, literal(at_us, _history.valid_from.type)),
            *(_device[name] for name in _REGISTERED),
            *(_state[name] for name in _STATED),
        )
        .select_from(tables.device.outerjoin(tables.device_state, _state.device_id == _device.id))
        .where(_device.id.in_(ids))
    )
    batch.connection.execute(insert_into(tables.device_history).from_select(names, now))
