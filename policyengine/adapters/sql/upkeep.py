"""Upkeep of what guards single use: spent nonces that have long expired, and floors that a wrong clock set."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import delete, update

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.services.changes import LowerFloors, PruneNonces, RecordAct
from policyengine.services.moments import micros

_state = tables.device_state.c
_spent = tables.spent_nonce.c


def prune_nonces(batch: Batch, change: PruneNonces) -> None:
    """Forget spent nonces; nobody can spend them again, as all expired before `change.expired_before`."""
    expired = (_spent.nonce_hash.in_(change.hashes)) & (_spent.expires_at < micros(change.expired_before))
    batch.connection.execute(delete(tables.spent_nonce).where(expired))


def lower_floors(batch: Batch, change: LowerFloors) -> None:
    """Bring floors that lie ahead back to `change.floor`; check-ins in flight start again, stored replies go."""
    batch.flush()
    lowered = batch.connection.execute(
        update(tables.device_state)
        .where(_state.floor > micros(change.ahead_of))
        .values(floor=micros(change.floor), version=_state.version + 1, request_digest=None, reply=None)
    ).rowcount
    batch.act(replace(change.act, detail={**change.act.detail, "devices": lowered}))


def record_act(batch: Batch, change: RecordAct) -> None:
    """Leave the audit event of what happened outside the store."""
    batch.act(change.act)
