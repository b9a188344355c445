"""Recording decisions: guards first, then rows; a refused change leaves no row in the batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update
from sqlalchemy import insert as insert_into

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.adapters.sql.codec import raw
from policyengine.adapters.sql.history import keep_history
from policyengine.adapters.sql.rows import decision_row, first_state_row, state_row
from policyengine.adapters.sql.stances import record_stance
from policyengine.adapters.sql.statements import listed
from policyengine.adapters.sql.verdicts import record_verdicts
from policyengine.model.ids import digest_of
from policyengine.services.changes import Enrolment, RecordDecision, ReserveCertificate, SpentNonce, StatusChange
from policyengine.services.compliance.stance import stance_of
from policyengine.services.errors import ConflictError
from policyengine.services.moments import micros
from policyengine.services.records import CertificateRecord, Lifecycle

_state = tables.device_state.c
_certificate = tables.certificate.c


@dataclass(slots=True)
class Guard:
    """What a device's state is inside the running transaction."""

    version: int
    floor: int


def moved(device_id: str) -> ConflictError:
    """Return the refusal of a change whose device has changed since it was read."""
    return ConflictError("the device changed in the meantime", code="state.moved", device_id=device_id)


def read_guards(batch: Batch, changes: Iterable[RecordDecision]) -> dict[str, Guard]:
    """Return the current version and floor of the devices that `changes` are about."""
    ids = sorted({change.state.device_id for change in changes})
    rows = batch.statements.guards.rows(batch.connection, {"ids": listed(batch.connection.dialect, ids)}) if ids else ()
    return {device_id: Guard(version=version, floor=floor) for device_id, version, floor in rows}


def record_decision(batch: Batch, change: RecordDecision, guards: dict[str, Guard]) -> None:
    """Queue the rows of a decision on a device that has a state; raises ConflictError, having queued nothing."""
    state = change.state
    guard = guards.get(state.device_id)
    if guard is None:
        raise moved(state.device_id)
    if change.spends_nonce and state.floor <= guard.floor:
        raise ConflictError("nonce was used already", code="nonce.spent", check="nonce.spent")
    if guard.version != change.expected_version:
        raise moved(state.device_id)
    _demand_possible(batch, change)
    guards[state.device_id] = Guard(version=state.version, floor=state.floor)
    batch.add("states", {"device_id": state.device_id, **state_row(state)})
    _record_outcome(batch, change)


def enrol(batch: Batch, change: RecordDecision, enrolment: Enrolment) -> None:
    """Write a device's first state at once; raises ConflictError, having written nothing."""
    batch.flush()
    _demand_enrollable(batch.connection, change, enrolment)
    _demand_possible(batch, change)
    _write_enrolment(batch, change, enrolment)
    if change.recheck_peers:
        _recheck_peers(batch.connection, change)
    _record_outcome(batch, change)


def reserve(batch: Batch, change: ReserveCertificate) -> None:
    """Queue a reservation and its leaf: the durable record that precedes the signature.

    Raises ConflictError (`key.reused`, `key.compromised`): what is not reserved is never signed.
    """
    batch.claim_key(change.key_thumbprint, device_id=change.device_id)
    empty = dict.fromkeys(tables.certificate.c.keys())
    facts = {"issuer": change.issuer, "serial": change.serial, "device_id": change.device_id, "profile": change.profile}
    keys = {"decision_id": raw(change.decision_id), "tbs_sha256": change.tbs_sha256}
    at_us = micros(change.at)
    batch.add("reservations", empty | facts | keys | {"state": "reserved", "reserved_at": at_us})
    record = {
        "issuer": change.issuer,
        "serial": change.serial,
        "device": change.device_id,
        "decision": change.decision_id,
        "tbs": change.tbs_sha256.hex(),
    }
    batch.leaf("reservation", at_us=at_us, record=record, seed=change.salt)


def _demand_possible(batch: Batch, change: RecordDecision) -> None:
    if change.certificate is not None:
        _demand_reserved(batch, change.certificate)
        _demand_not_held(batch, change.certificate)
    if change.status is not None:
        demand_status(batch, change.status)
    if change.spent is not None:
        _spend(batch, change.spent, change.state.device_id)


def _demand_reserved(batch: Batch, record: CertificateRecord) -> None:
    keys = {"by_issuer": record.issuer, "by_serial": record.serial}
    rows = batch.statements.keys.reservation.rows(batch.connection, keys)
    if [state for (state,) in rows] != ["reserved"]:
        raise ConflictError("the certificate's reservation is not open", code="certificate.reservation")


def _demand_not_held(batch: Batch, record: CertificateRecord) -> None:
    """Raise ConflictError if a person has put the certificate that `record` replaces on hold since it was read."""
    if batch.holds("statuses"):
        batch.flush()
    replaced = {"by_serial": record.replaces, "by_device": record.device_id}
    if batch.statements.keys.held_by_person.rows(batch.connection, replaced):
        raise moved(record.device_id)


def demand_status(batch: Batch, change: StatusChange) -> None:
    """Raise ConflictError unless the certificate still has the status that `change` starts from.

    What waits in the batch counts: a revocation must not be overwritten by a hold of the same commit.
    """
    batch.flush()
    row = batch.connection.execute(
        select(_certificate.status).where(_certificate.issuer == change.issuer, _certificate.serial == change.serial)
    ).first()
    if row is None or row.status != change.expected.value:
        raise ConflictError("the certificate's status changed in the meantime", code="state.moved")


def _spend(batch: Batch, spent: SpentNonce, device_id: str) -> None:
    batch.flush()
    found = batch.connection.execute(
        select(tables.spent_nonce.c.device_id).where(tables.spent_nonce.c.nonce_hash == spent.nonce_hash)
    ).first()
    if found is not None:
        raise ConflictError("nonce was used already", code="nonce.spent", check="nonce.spent")
    row = {"nonce_hash": spent.nonce_hash, "device_id": device_id, "expires_at": micros(spent.expires_at)}
    batch.add("spent", row)


def _demand_enrollable(connection: Connection, change: RecordDecision, enrolment: Enrolment) -> None:
    device_id = enrolment.device.id
    row = connection.execute(
        select(tables.device.c.lifecycle, _state.device_id)
        .outerjoin(tables.device_state)
        .where(tables.device.c.id == device_id)
    ).first()
    if row is None or row.lifecycle != Lifecycle.EXPECTED.value or row.device_id is not None:
        raise moved(device_id)
    count = select(func.count()).where(_state.key_thumbprint == change.state.key_thumbprint)
    if connection.execute(count).scalar_one() != enrolment.key_reuse:
        raise moved(device_id)
    if enrolment.token_hash is not None:
        _demand_unredeemed(connection, enrolment.token_hash)
    _demand_after_former_keys(connection, change)


def _demand_after_former_keys(connection: Connection, change: RecordDecision) -> None:
    """Raise ConflictError for a key that was parted from its device, or a nonce from before this one was parted."""
    former, state = tables.former_key.c, change.state
    if connection.execute(select(former.floor).where(former.key_thumbprint == state.key_thumbprint)).first():
        raise ConflictError(
            "the key is of a board that was replaced", code="identity.former-key", check="identity.former-key"
        )
    if change.spends_nonce and state.floor <= former_floor(connection, state.device_id):
        raise ConflictError(
            "the nonce is from before the device was rekeyed", code="nonce.former", check="nonce.former"
        )


def former_floor(connection: Connection, device_id: str) -> int:
    """Return the highest nonce floor that a device had under a key it was parted from; 0 where there is none."""
    former = tables.former_key.c
    found = connection.execute(select(func.max(former.floor)).where(former.device_id == device_id)).scalar_one()
    return found or 0


def _demand_unredeemed(connection: Connection, token_hash: bytes) -> None:
    token = tables.enrolment_token.c
    row = connection.execute(select(token.redeemed_at).where(token.token_hash == token_hash)).first()
    if row is None or row.redeemed_at is not None:
        raise ConflictError("the one-time token was used already", code="enrolment.token-spent")


def _write_enrolment(batch: Batch, change: RecordDecision, enrolment: Enrolment) -> None:
    device, at_us = enrolment.device, micros(change.state.decided_at)
    connection = batch.connection
    row = first_state_row(change.state)
    floor = max(change.state.floor, former_floor(connection, device.id))  # never below that of a former key
    connection.execute(insert_into(tables.device_state), row | {"floor": floor})
    connection.execute(
        update(tables.device)
        .where(tables.device.c.id == device.id)
        .values(lifecycle=device.lifecycle.value, enrolled_at=at_us, updated_at=at_us)
    )
    if enrolment.token_hash is not None:
        token = tables.enrolment_token
        connection.execute(update(token).where(token.c.token_hash == enrolment.token_hash).values(redeemed_at=at_us))
    record = {"device": device.id, "key": change.state.key_thumbprint, "kind": change.state.identity_kind}
    keep_history(batch, [device.id], at_us=at_us)
    batch.leaf("enrolment", at_us=at_us, record=record, seed=change.salt)


def _recheck_peers(connection: Connection, change: RecordDecision) -> None:
    """Ask for a new decision on devices with the same key; the new version sends their check-ins in flight back."""
    peers = (_state.key_thumbprint == change.state.key_thumbprint) & (_state.device_id != change.state.device_id)
    at_us = micros(change.state.decided_at)
    connection.execute(update(tables.device_state).where(peers).values(recheck_at=at_us, version=_state.version + 1))


def _record_outcome(batch: Batch, change: RecordDecision) -> None:
    state, at_us = change.state, micros(change.state.decided_at)
    for document in change.documents:
        batch.document(document)
    if change.verdicts is not None:
        record_verdicts(batch, change.verdicts, state=state)
        record_stance(batch, state.device_id, stance_of(change.verdicts), at_us=at_us)
    if change.decision is None:
        batch.unchanged(raw(state.decision_id), at_us=at_us, seed=change.salt)
    else:
        record = {
            "device": state.device_id,
            "decision": state.decision_id,
            "document": digest_of(change.decision.document),
            "outcome": state.outcome,
            "tier": state.tier.name.lower(),
        }
        index = batch.leaf("decision", at_us=at_us, record=record, seed=change.salt)
        batch.add("decisions", decision_row(change.decision) | {"log_index": index})
    for each in change.unmatched:
        row = {"model": each.model, "component": each.component, "digest": each.digest, "device_id": state.device_id}
        batch.add("unmatched", row | {"first_seen": at_us, "last_seen": at_us})
    if change.act is not None:
        keep_history(batch, [state.device_id], at_us=at_us)  # a person's restriction is part of it
        batch.act(change.act)
    if change.certificate is not None:
        batch.certificate(change.certificate, seed=change.salt)
    if change.status is not None:
        batch.status(change.status, seed=change.salt)
    if change.doubts_reports:
        batch.doubt(state.device_id, at_us=at_us)
