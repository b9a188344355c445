"""What check-ins and sweeps read: compiled once, one statement each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Dialect, Engine, Row, Select, alias, bindparam, desc, func, or_, select
from sqlalchemy.sql.elements import Label

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import named, raw, time_or_none, unpacked
from policyengine.adapters.sql.rows import certificate_of, device_of, state_of
from policyengine.adapters.sql.statements import Params, Statement
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.moments import micros, moment
from policyengine.services.records import Activation, BundleRecord, DeviceView, EnrolmentToken

_device = tables.device.c
_state = tables.device_state.c
_certificate = tables.certificate.c


def _labelled(prefix: str, columns: Any) -> list[Label[Any]]:
    return [column.label(f"{prefix}_{column.key}") for column in columns]


def view_select() -> Select[Any]:
    """Return the SELECT behind a DeviceView, without its condition."""
    peer, twin = alias(tables.device_state), alias(tables.device)
    reuse = select(func.count()).where(peer.c.key_thumbprint == _state.key_thumbprint).scalar_subquery()
    twins = (
        select(func.count())
        .where(twin.c.vendor == _device.vendor, twin.c.serial == _device.serial, twin.c.id != _device.id)
        .scalar_subquery()
    )
    joined = tables.device.outerjoin(tables.device_state, _state.device_id == _device.id).outerjoin(
        tables.certificate,
        (_certificate.issuer == _state.certificate_issuer) & (_certificate.serial == _state.certificate_serial),
    )
    columns = [*_labelled("d", _device), *_labelled("s", _state), *_labelled("c", _certificate)]
    return select(*columns, reuse.label("key_reuse"), twins.label("identity_duplicates")).select_from(joined)


class _Prefixed(Mapping[str, Any]):
    """The columns of one table inside a joined row."""

    def __init__(self, row: Row[Any], start: int, names: Mapping[str, int]) -> None:
        self._row, self._start, self._names = row, start, names

    def __getitem__(self, name: str) -> Any:
        return self._row[self._start + self._names[name]]

    def __iter__(self) -> Any:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


_JOINED = (tables.device, tables.device_state, tables.certificate)
_NAMES = {table: {column.key: at for at, column in enumerate(table.c)} for table in _JOINED}
_STATE_AT = len(tables.device.c)
_CERTIFICATE_AT = _STATE_AT + len(tables.device_state.c)
_COUNTS_AT = _CERTIFICATE_AT + len(tables.certificate.c)


def view_of(row: Row[Any]) -> DeviceView:
    """Return the DeviceView in a row of `view_select`."""
    state = _Prefixed(row, _STATE_AT, _NAMES[tables.device_state])
    certificate = _Prefixed(row, _CERTIFICATE_AT, _NAMES[tables.certificate])
    return DeviceView(
        device=device_of(_Prefixed(row, 0, _NAMES[tables.device])),
        state=None if state["device_id"] is None else state_of(state),
        certificate=None if certificate["serial"] is None else certificate_of(certificate),
        key_reuse=row[_COUNTS_AT],
        identity_duplicates=row[_COUNTS_AT + 1],
    )


class SqlCheckInReads:
    """The CheckInReads port over an engine whose statements commit by themselves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        dialect = engine.dialect
        self._by_tag = Statement(view_select().where(_device.tag == bindparam("tag")), dialect)
        self._by_serial = _by_serial(dialect)
        self._by_id = Statement(view_select().where(_device.id == bindparam("id")), dialect)
        self._reuse = _key_reuse(dialect)
        self._spent = _one(tables.spent_nonce.c.device_id, tables.spent_nonce.c.nonce_hash, dialect)
        self._token = Statement(
            select(tables.enrolment_token).where(tables.enrolment_token.c.token_hash == bindparam("key")), dialect
        )
        self._expired = _expired(dialect)
        self._document = _one(tables.document.c.body, tables.document.c.digest, dialect)
        self._activation = _activation(dialect)

    def _first(self, statement: Statement, row: Params) -> Row[Any] | None:
        with self._engine.connect() as connection:
            return statement.first(connection, row)

    def view_by_tag(self, tag: bytes) -> DeviceView | None:
        """Return the device whose nonce tag is `tag`."""
        row = self._first(self._by_tag, {"tag": tag})
        return None if row is None else view_of(row)

    def views_by_serial(self, vendor: str, serial: str) -> tuple[DeviceView, ...]:
        """Return the devices registered under a vendor's serial number."""
        with self._engine.connect() as connection:
            rows = self._by_serial.rows(connection, {"by_vendor": vendor, "by_serial": serial})
        return tuple(view_of(row) for row in rows)

    def view(self, device_id: DeviceId) -> DeviceView | None:
        """Return the device called `device_id`."""
        row = self._first(self._by_id, {"id": device_id})
        return None if row is None else view_of(row)

    def key_reuse(self, thumbprint: str, *, beside: DeviceId) -> int:
        """Return how many devices are pinned to a key, not counting `beside`."""
        row = self._first(self._reuse, {"thumbprint": thumbprint, "beside": beside})
        return 0 if row is None else int(row[0])

    def spent_by(self, nonce_hash: bytes) -> DeviceId | None:
        """Return the device that spent an unbound nonce."""
        row = self._first(self._spent, {"key": nonce_hash})
        return None if row is None else DeviceId(row[0])

    def enrolment_token(self, token_hash: bytes) -> EnrolmentToken | None:
        """Return the one-time token with that hash."""
        row = self._first(self._token, {"key": token_hash})
        if row is None:
            return None
        return EnrolmentToken(
            token_hash=row.token_hash,
            device_id=DeviceId(row.device_id),
            key_thumbprint=row.key_thumbprint,
            created_at=moment(row.created_at),
            created_by=row.created_by,
            expires_at=moment(row.expires_at),
            redeemed_at=time_or_none(row.redeemed_at),
        )

    def expired(self, now: datetime, limit: int) -> tuple[DeviceId, ...]:
        """Return devices whose decision has ended at `now` or was asked to be made again."""
        with self._engine.connect() as connection:
            rows = self._expired.rows(connection, {"now": micros(now), "most": limit})
        return tuple(DeviceId(row[0]) for row in rows)

    def document(self, digest: Digest) -> bytes | None:
        """Return the content that `digest` names."""
        row = self._first(self._document, {"key": raw(digest)})
        return None if row is None else unpacked(row[0])

    def activation(self) -> Activation | None:
        """Return which bundle is in force."""
        row = self._first(self._activation, {})
        if row is None:
            return None
        return Activation(
            generation=row.generation,
            digest=named(row.digest),
            activated_at=moment(row.activated_at),
            actor=row.actor,
        )

    def bundle(self, digest: Digest) -> BundleRecord | None:
        """Return a published bundle's record."""
        with self._engine.connect() as connection:
            row = connection.execute(bundle_select().where(tables.bundle.c.digest == raw(digest))).first()
        return None if row is None else bundle_of(row)


def bundle_select() -> Select[Any]:
    """Return the SELECT behind BundleRecord: each bundle with its latest activation, if it is the one in force."""
    active = tables.activation
    latest = select(func.max(active.c.generation)).scalar_subquery()
    joined = tables.bundle.outerjoin(
        active, (active.c.digest == tables.bundle.c.digest) & (active.c.generation == latest)
    )
    return select(tables.bundle, active.c.generation, active.c.activated_at, active.c.actor).select_from(joined)


def bundle_of(row: Row[Any]) -> BundleRecord:
    """Return the BundleRecord in a row of `bundle_select`."""
    return BundleRecord(
        digest=named(row.digest),
        commit=row.commit_id,
        published_at=moment(row.published_at),
        published_by=row.published_by,
        generation=row.generation,
        activated_at=time_or_none(row.activated_at),
        activated_by=row.actor,
    )


def _by_serial(dialect: Dialect) -> Statement:
    clause = view_select().where(_device.vendor == bindparam("by_vendor"), _device.serial == bindparam("by_serial"))
    return Statement(clause, dialect)


def _key_reuse(dialect: Dialect) -> Statement:
    clause = select(func.count()).where(
        _state.key_thumbprint == bindparam("thumbprint"), _state.device_id != bindparam("beside")
    )
    return Statement(clause, dialect)


def _one(column: Any, key: Any, dialect: Dialect) -> Statement:
    return Statement(select(column).where(key == bindparam("key")), dialect)


def _expired(dialect: Dialect) -> Statement:
    due = func.coalesce(_state.recheck_at, _state.valid_until)
    clause = (
        select(_state.device_id)
        .join(tables.device)
        .where(or_(_state.valid_until <= bindparam("now"), _state.recheck_at <= bindparam("now")))
        .where(_device.lifecycle == "operational")
        .order_by(due)
        .limit(bindparam("most"))
    )
    return Statement(clause, dialect)


def _activation(dialect: Dialect) -> Statement:
    return Statement(select(tables.activation).order_by(desc(tables.activation.c.generation)).limit(1), dialect)
