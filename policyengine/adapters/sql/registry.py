"""The device registry in bulk: reading many rows by id, and carrying out an import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select, update
from sqlalchemy import insert as insert_into

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.adapters.sql.history import IDS_AT_ONCE, keep_history
from policyengine.adapters.sql.rows import device_of, device_row
from policyengine.adapters.sql.stances import move_stances
from policyengine.model.ids import DeviceId, folded
from policyengine.services.changes import ImportDevices
from policyengine.services.errors import ConflictError
from policyengine.services.moments import micros
from policyengine.services.records import Device
from policyengine.services.registry.naming import demand_distinct

_device = tables.device.c
_state = tables.device_state.c
NAMES_AT_ONCE = IDS_AT_ONCE // 2  # each is looked for twice
_BY_IDS = select(tables.device).where(
    or_(_device.id.in_(bindparam("ids", expanding=True)), _device.folded.in_(bindparam("folded", expanding=True)))
)
_SAID = ("device_class", "hw_version", "site", "zone", "labels", "criticality", "gateways", "updated_at")


def registered(connection: Connection, ids: Sequence[DeviceId]) -> Mapping[DeviceId, Device]:
    """Return the registry rows of those of `ids` that there are, and of ids that differ from one in case only."""
    found: dict[DeviceId, Device] = {}
    for at in range(0, len(ids), NAMES_AT_ONCE):
        some = ids[at : at + NAMES_AT_ONCE]
        for row in connection.execute(_BY_IDS, {"ids": list(some), "folded": list(map(folded, some))}):
            found[DeviceId(row.id)] = device_of(row._mapping)
    return found


def open_tokens(connection: Connection, ids: Sequence[DeviceId], now: datetime) -> frozenset[DeviceId]:
    """Return those of `ids` that hold a one-time token which can be redeemed at `now`."""
    token, found = tables.enrolment_token.c, set[DeviceId]()
    for at in range(0, len(ids), IDS_AT_ONCE):
        usable = (token.redeemed_at.is_(None)) & (token.expires_at > micros(now))
        rows = connection.execute(
            select(token.device_id).where(token.device_id.in_(ids[at : at + IDS_AT_ONCE]), usable)
        )
        found.update(DeviceId(row.device_id) for row in rows)
    return frozenset(found)


def is_new(connection: Connection, device: Device) -> bool:
    """Return whether nothing is registered by that id; raises ConflictError when another device is."""
    return bool(new_of(connection, (device,)))


def import_devices(batch: Batch, change: ImportDevices) -> None:
    """Add devices that are new, and write what is said of known ones; raises ConflictError, having written nothing."""
    connection = batch.connection
    new = new_of(connection, change.devices)
    known = new_of(connection, change.updated)
    if known:
        raise ConflictError(f"device `{known[0].id}` is not registered", code="registry.conflict")
    if new:
        connection.execute(insert_into(tables.device), [device_row(device) for device in new])
        keep_history(batch, [device.id for device in new], at_us=micros(change.act.at))
    if change.updated:
        say(batch, change.updated)
    if new or change.updated:
        batch.act(change.act)


def new_of(connection: Connection, devices: Sequence[Device]) -> list[Device]:
    """Return those of `devices` that are not registered.

    Raises ConflictError where one is with other data, or its id is another's but for case.
    """
    held = registered(connection, [device.id for device in devices])
    new = []
    for device in devices:
        row = held.get(device.id)
        if row is None:
            new.append(device)
        elif (row.vendor, row.model, row.serial) != (device.vendor, device.model, device.serial):
            raise ConflictError(f"device `{device.id}` is registered with other data", code="registry.conflict")
    demand_distinct([device.id for device in new], held)
    return new


def say(batch: Batch, devices: Sequence[Device]) -> None:
    """Write what operators say; check-ins in flight are sent back by the new version, and the sweep decides again."""
    connection = batch.connection
    rows = [device_row(device) for device in devices]
    said = update(tables.device).where(_device.id == bindparam("key_id"))
    connection.execute(
        said.values({name: bindparam(f"set_{name}") for name in _SAID}),
        [{"key_id": row["id"], **{f"set_{name}": row[name] for name in _SAID}} for row in rows],
    )
    again = update(tables.device_state).where(_state.device_id == bindparam("key_id"))
    connection.execute(
        again.values(version=_state.version + 1, recheck_at=bindparam("at")),
        [{"key_id": device.id, "at": micros(device.updated_at)} for device in devices],
    )
    move_stances(batch, devices)
    for at in {device.updated_at for device in devices}:
        keep_history(batch, [device.id for device in devices if device.updated_at == at], at_us=micros(at))
