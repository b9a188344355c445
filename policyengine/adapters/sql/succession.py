"""Carrying out what happens to a device in its life: another place, another device, another key."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy import insert as insert_into

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.adapters.sql.history import keep_history
from policyengine.adapters.sql.recording import demand_status, moved
from policyengine.adapters.sql.registry import registered, say
from policyengine.adapters.sql.stances import end_stance
from policyengine.services.changes import RekeyDevice, ReplaceDevice, StatusChange, TransferDevice
from policyengine.services.errors import ConflictError
from policyengine.services.moments import micros
from policyengine.services.records import Device

_device = tables.device.c
_state = tables.device_state.c
_former = tables.former_key.c


def transfer_device(batch: Batch, change: TransferDevice) -> None:
    """Write where a device stands now; it is decided again."""
    _demand_unchanged(batch, change.before)
    say(batch, (change.after,))
    batch.act(change.act)


def replace_device(batch: Batch, change: ReplaceDevice) -> None:
    """Retire one device and let another take its place."""
    for before in change.before:
        _demand_unchanged(batch, before)
    _demand_statuses(batch, change.revocations)
    old, connection = change.old, batch.connection
    connection.execute(
        update(tables.device)
        .where(_device.id == old.id)
        .values(lifecycle=old.lifecycle.value, updated_at=micros(old.updated_at))
    )
    connection.execute(update(tables.device_state).where(_state.device_id == old.id).values(version=_state.version + 1))
    end_stance(batch, old.id, at_us=micros(old.updated_at))
    keep_history(batch, [old.id], at_us=micros(old.updated_at))
    batch.doubt(old.id, at_us=micros(old.updated_at))
    say(batch, (change.new,))
    _revoke(batch, change.revocations, seed=change.acts[0].salt)
    for act in change.acts:
        batch.act(act)


def rekey_device(batch: Batch, change: RekeyDevice) -> None:
    """End a device's key: its state and open one-time tokens go, its key is kept as one that never comes back."""
    batch.flush()
    device, connection, at_us = change.device, batch.connection, micros(change.act.at)
    held = connection.execute(
        select(_state.version, _state.key_thumbprint, _state.floor).where(_state.device_id == device.id)
    ).first()
    if held is None or held.version != change.expected_version:
        raise moved(device.id)
    if _is_former(batch, held.key_thumbprint):
        raise ConflictError("the device's key ended with another device already", code="identity.former-key")
    _demand_statuses(batch, change.revocations)
    ended = {"key_thumbprint": held.key_thumbprint, "device_id": device.id, "floor": held.floor, "ended_at": at_us}
    connection.execute(insert_into(tables.former_key), ended)
    connection.execute(delete(tables.device_state).where(_state.device_id == device.id))
    connection.execute(
        update(tables.device)
        .where(_device.id == device.id)
        .values(lifecycle=device.lifecycle.value, serial=device.serial, updated_at=at_us)
    )
    _end_open(batch, device, at_us=at_us)
    end_stance(batch, device.id, at_us=at_us)
    keep_history(batch, [device.id], at_us=at_us)
    batch.doubt(device.id, at_us=at_us)
    _revoke(batch, change.revocations, seed=change.act.salt)
    batch.act(change.act)


def _is_former(batch: Batch, key_thumbprint: str) -> bool:
    found = select(_former.device_id).where(_former.key_thumbprint == key_thumbprint)
    return batch.connection.execute(found).first() is not None


def _end_open(batch: Batch, device: Device, *, at_us: int) -> None:
    """End what the old key still had open: one-time tokens, and what the rules say of the device."""
    token, verdict = tables.enrolment_token, tables.verdict
    batch.connection.execute(
        update(token).where(token.c.device_id == device.id, token.c.redeemed_at.is_(None)).values(redeemed_at=at_us)
    )
    batch.connection.execute(
        update(verdict).where(verdict.c.device_id == device.id, verdict.c.valid_to.is_(None)).values(valid_to=at_us)
    )


def _demand_unchanged(batch: Batch, before: Device) -> None:
    batch.flush()
    if registered(batch.connection, (before.id,)).get(before.id) != before:
        raise moved(before.id)


def _demand_statuses(batch: Batch, revocations: Sequence[StatusChange]) -> None:
    for each in revocations:
        demand_status(batch, each)


def _revoke(batch: Batch, revocations: Sequence[StatusChange], *, seed: bytes) -> None:
    for each in revocations:
        batch.status(each, seed=seed)
