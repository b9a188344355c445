"""Carrying out administrative changes; each checks its guard before it writes and leaves an audit event."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, select, true, update
from sqlalchemy import insert as insert_into

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.adapters.sql.codec import raw
from policyengine.adapters.sql.hints import hint
from policyengine.adapters.sql.history import keep_history
from policyengine.adapters.sql.recording import demand_status, moved
from policyengine.adapters.sql.registry import is_new, new_of
from policyengine.adapters.sql.rows import device_row
from policyengine.adapters.sql.stances import end_stance
from policyengine.services.changes import (
    AbortOrphans,
    AbortReservation,
    ActivateBundle,
    AnnouncePending,
    ChangeLifecycle,
    CreateApiToken,
    CreateBatchTokens,
    CreateEnrolmentToken,
    RecordSecurityEvent,
    RevokeApiToken,
    SetCertificateStatus,
    StoreBundle,
    TouchApiToken,
)
from policyengine.services.errors import ConflictError
from policyengine.services.moments import micros
from policyengine.services.records import EnrolmentToken, Lifecycle

_device = tables.device.c
_state = tables.device_state.c
_certificate = tables.certificate.c
_event = tables.security_event.c


def announce_pending(batch: Batch, change: AnnouncePending) -> None:
    """Add a device that waits for a person; one that waits already stays as it is."""
    found = batch.connection.execute(
        select(_device.id).where(_device.vendor == change.device.vendor, _device.serial == change.device.serial)
    ).first()
    if found is None and is_new(batch.connection, change.device):
        batch.connection.execute(insert_into(tables.device), device_row(change.device))
        keep_history(batch, [change.device.id], at_us=micros(change.act.at))
        batch.act(change.act)


def change_lifecycle(batch: Batch, change: ChangeLifecycle) -> None:
    """Set a device's place in its life; check-ins in flight are sent back by the new version."""
    device = change.device
    touched = batch.connection.execute(
        update(tables.device)
        .where(_device.id == device.id, _device.lifecycle == change.expected)
        .values(lifecycle=device.lifecycle.value, updated_at=micros(device.updated_at))
    ).rowcount
    if touched != 1:
        raise moved(device.id)
    batch.connection.execute(
        update(tables.device_state).where(_state.device_id == device.id).values(version=_state.version + 1)
    )
    if device.lifecycle is Lifecycle.RETIRED:
        end_stance(batch, device.id, at_us=micros(change.act.at))
        batch.doubt(device.id, at_us=micros(change.act.at))
    keep_history(batch, [device.id], at_us=micros(change.act.at))
    batch.act(change.act)


def create_enrolment_token(batch: Batch, change: CreateEnrolmentToken) -> None:
    """Keep a one-time token's hash."""
    batch.connection.execute(insert_into(tables.enrolment_token), _token_row(change.token))
    batch.act(change.act)


def create_batch_tokens(batch: Batch, change: CreateBatchTokens) -> None:
    """Announce what is new of a batch and keep its tokens' hashes, all or nothing."""
    connection = batch.connection
    if change.devices:
        if len(new_of(connection, change.devices)) != len(change.devices):
            raise ConflictError("a device of the batch was announced in the meantime", code="state.moved")
        connection.execute(insert_into(tables.device), [device_row(device) for device in change.devices])
        keep_history(batch, [device.id for device in change.devices], at_us=micros(change.act.at))
    connection.execute(insert_into(tables.enrolment_token), [_token_row(token) for token in change.tokens])
    batch.act(change.act)


def _token_row(token: EnrolmentToken) -> dict[str, object]:
    return {
        "token_hash": token.token_hash,
        "device_id": token.device_id,
        "key_thumbprint": token.key_thumbprint,
        "created_at": micros(token.created_at),
        "created_by": token.created_by,
        "expires_at": micros(token.expires_at),
        "redeemed_at": None,
    }


def store_bundle(batch: Batch, change: StoreBundle) -> None:
    """Keep a bundle. Published again, it counts as published now and from the commit with the greater height.

    Its commit's name stays: decisions quote it.
    """
    record, table = change.record, tables.bundle
    published = {"published_at": micros(record.published_at), "published_by": record.published_by}
    batch.document(change.document)
    known = update(table).where(table.c.digest == raw(record.digest)).values(published)
    higher = update(table).where(
        table.c.digest == raw(record.digest), func.coalesce(table.c.height, 0) < (record.height or 0)
    )
    batch.connection.execute(higher.values(height=record.height))
    if batch.connection.execute(known).rowcount == 0:
        row = {"digest": raw(record.digest), "commit_id": record.commit, "height": record.height, **published}
        batch.connection.execute(insert_into(table), row)
    batch.act(change.act)


def activate_bundle(batch: Batch, change: ActivateBundle) -> None:
    """Put a bundle in force as the next generation; raises ConflictError when another came first."""
    activation = change.activation
    latest = batch.connection.execute(select(func.max(tables.activation.c.generation))).scalar_one()
    if activation.generation != (latest or 0) + 1:
        raise ConflictError(
            f"generation {latest or 0} is in force, not the expected one; see what it is, then name it",
            code="bundle.generation",
            current=latest,
        )
    row = {
        "generation": activation.generation,
        "digest": raw(activation.digest),
        "activated_at": micros(activation.activated_at),
        "actor": activation.actor,
    }
    batch.connection.execute(insert_into(tables.activation), row)
    hint(batch.connection)
    batch.act(change.act)


def set_certificate_status(batch: Batch, change: SetCertificateStatus) -> None:
    """Revoke, hold or release a certificate."""
    demand_status(batch, change.change)
    batch.status(change.change, seed=change.act.salt)
    batch.act(change.act)


def abort_reservation(batch: Batch, change: AbortReservation) -> None:
    """Close one open reservation as aborted."""
    key = (_certificate.issuer == change.issuer) & (_certificate.serial == change.serial)
    _abort(batch, key=key & (_certificate.state == "reserved"), change=change)


def abort_orphans(batch: Batch, change: AbortOrphans) -> None:
    """Close open reservations as aborted: after a crash nobody will complete them."""
    before = change.reserved_before
    key = true() if before is None else _certificate.reserved_at < micros(before)
    _abort(batch, key=and_(tables.OPEN, key), change=change)


def _abort(batch: Batch, *, key: ColumnElement[bool], change: AbortReservation | AbortOrphans) -> None:
    """Close what `key` says, each with a leaf: the log says of every serial number reserved what became of it."""
    batch.flush()
    named = (_certificate.issuer, _certificate.serial, _certificate.device_id)
    ordered = select(*named).where(key).order_by(_certificate.issuer, _certificate.serial)
    at_us = micros(change.at)
    for issuer, serial, device in batch.connection.execute(ordered).all():
        record = {"issuer": issuer, "serial": serial, "device": device, "reason": change.reason}
        batch.leaf("reservation-aborted", at_us=at_us, record=record, seed=change.salt)
    closed = {"state": "aborted", "closed_at": at_us, "close_reason": change.reason}
    batch.connection.execute(update(tables.certificate).where(key).values(closed))


def record_security_event(batch: Batch, change: RecordSecurityEvent) -> None:
    """Add the event, or count it when its hour has one already; only the first one is a leaf."""
    event = change.event
    last = {"last_at": micros(event.last_at), "detail": event.detail, "count": _event.count + 1}
    touched = batch.connection.execute(update(tables.security_event).where(_event.id == event.id).values(last)).rowcount
    if touched:
        return
    row = {
        "id": event.id,
        "code": event.code,
        "device_id": event.device_id,
        "check_id": event.check,
        "detail": event.detail,
        "first_at": micros(event.first_at),
        "last_at": micros(event.last_at),
        "count": 1,
    }
    batch.connection.execute(insert_into(tables.security_event), row)
    record = {"code": event.code, "device": event.device_id, "check": event.check, "id": event.id}
    batch.leaf("security", at_us=micros(event.first_at), record=record, seed=change.salt)


def create_api_token(batch: Batch, change: CreateApiToken) -> None:
    """Keep an API token's hash and scope."""
    token = change.token
    row = {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "party": token.party,
        "models": None if token.models is None else "\n".join(token.models),
        "created_at": micros(token.created_at),
        "created_by": token.created_by,
        "expires_at": micros(token.expires_at),
        "last_used": None,
        "revoked_at": None,
        "secret_hash": token.secret_hash,
    }
    batch.connection.execute(insert_into(tables.api_token), row)
    batch.act(change.act)


def revoke_api_token(batch: Batch, change: RevokeApiToken) -> None:
    """End an API token."""
    table = tables.api_token
    live = (table.c.id == change.id) & table.c.revoked_at.is_(None)
    if batch.connection.execute(update(table).where(live).values(revoked_at=micros(change.at))).rowcount != 1:
        raise ConflictError("the token is revoked already", code="token.revoked")
    batch.act(change.act)


def touch_api_token(batch: Batch, change: TouchApiToken) -> None:
    """Remember when a token was last used."""
    table = tables.api_token
    batch.connection.execute(update(table).where(table.c.id == change.id).values(last_used=micros(change.at)))
