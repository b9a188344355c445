"""What check-ins and sweeps read: compiled once, one statement each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, LargeBinary, Select, Table, alias, bindparam, desc, func, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import Label

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import named, raw, time_or_none, unpacked
from policyengine.adapters.sql.gathered_reads import GatheredReads
from policyengine.adapters.sql.rows import certificate_of, device_of, state_of
from policyengine.adapters.sql.statements import ReadConnections, Reading
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.moments import micros, moment
from policyengine.services.records import (
    Activation,
    BundleRecord,
    CertificateRecord,
    Device,
    DeviceView,
    EnrolmentToken,
)

KEPT_ROWS = 8192  # decoded rows: a fleet's busiest devices, 10 MB

_device = tables.device.c
_state = tables.device_state.c
_certificate = tables.certificate.c
_active = tables.activation.c


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


def _named(row: Sequence[Any], start: int, table: Table) -> dict[str, Any]:
    names = _NAMES[table]
    return dict(zip(names, row[start : start + len(names)], strict=True))


_NAMES = {
    table: tuple(column.key for column in table.c) for table in (tables.device, tables.device_state, tables.certificate)
}
_TAG_AT = _NAMES[tables.device].index("tag")
_STATE_AT = len(tables.device.c)
_CERTIFICATE_AT = _STATE_AT + len(tables.device_state.c)
_COUNTS_AT = _CERTIFICATE_AT + len(tables.certificate.c)


def view_of(row: Sequence[Any]) -> DeviceView:
    """Return the DeviceView in a row of `view_select`."""
    state = _named(row, _STATE_AT, tables.device_state)
    return DeviceView(
        device=_device_in(tuple(row[:_STATE_AT])),
        state=None if state["device_id"] is None else state_of(state),
        certificate=_certificate_in(tuple(row[_CERTIFICATE_AT:_COUNTS_AT])),
        key_reuse=row[_COUNTS_AT],
        identity_duplicates=row[_COUNTS_AT + 1],
    )


# Registry rows and certificates rarely change between two check-ins of a device; the same row is the same value.
@lru_cache(maxsize=KEPT_ROWS)
def _device_in(row: tuple[Any, ...]) -> Device:
    return device_of(_named(row, 0, tables.device))


@lru_cache(maxsize=KEPT_ROWS)
def _certificate_in(row: tuple[Any, ...]) -> CertificateRecord | None:
    certificate = _named(row, 0, tables.certificate)
    return None if certificate["serial"] is None else certificate_of(certificate)


class SqlCheckInReads:
    """The CheckInReads port over an engine whose statements commit by themselves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept = kept = ReadConnections(engine)
        self._by_tag = Reading(view_select().where(_device.tag == bindparam("tag")), engine, kept)
        self._gathered: GatheredReads[DeviceView] | None = None
        if engine.dialect.name == "postgresql":
            tags = bindparam("tags", type_=postgresql.ARRAY(LargeBinary))
            self._by_tags = Reading(view_select().where(_device.tag == func.any(tags)), engine, kept)
            self._gathered = GatheredReads(self._views_by_tag)
        self._by_serial = Reading(
            view_select().where(_device.vendor == bindparam("by_vendor"), _device.serial == bindparam("by_serial")),
            engine,
            kept,
        )
        self._by_id = Reading(view_select().where(_device.id == bindparam("by_id")), engine, kept)
        self._newest = Reading(_newest_certificate(), engine, kept)
        self._issued = Reading(_issued_certificate(), engine, kept)
        self._reuse = Reading(_key_reuse(), engine, kept)
        self._spent = Reading(_one(tables.spent_nonce.c.device_id, tables.spent_nonce.c.nonce_hash), engine, kept)
        self._spent_before = Reading(_spent_before(), engine, kept)
        self._ahead = Reading(select(func.count()).where(_state.floor > bindparam("moment")), engine, kept)
        self._token = Reading(_token_select(), engine, kept)
        self._expired = Reading(_expired(), engine, kept)
        self._document = Reading(_one(tables.document.c.body, tables.document.c.digest), engine, kept)
        self._activation = Reading(select(tables.activation).order_by(desc(_active.generation)).limit(1), engine, kept)
        self._bundle = Reading(bundle_select().where(tables.bundle.c.digest == bindparam("digest")), engine, kept)

    def close_reads(self) -> None:
        """Give the connections kept for reads back."""
        self._kept.close()

    def view_by_tag(self, tag: bytes) -> DeviceView | None:
        """Return the device whose nonce tag is `tag`."""
        row = self._by_tag.first(tag=tag)
        return None if row is None else self._view(row)

    async def view_at_check_in(self, tag: bytes) -> DeviceView | None:
        """Return the device whose nonce tag is `tag`; an embedded database answers sooner than the loop goes round."""
        return self.view_by_tag(tag) if self._gathered is None else await self._gathered.of(tag)

    def _views_by_tag(self, tags: Sequence[bytes]) -> Mapping[bytes, DeviceView]:
        return {row[_TAG_AT]: self._view(row) for row in self._by_tags.rows(tags=list(tags))}

    def views_by_serial(self, vendor: str, serial: str) -> tuple[DeviceView, ...]:
        """Return the devices registered under a vendor's serial number."""
        return tuple(self._view(row) for row in self._by_serial.rows(by_vendor=vendor, by_serial=serial))

    def view(self, device_id: DeviceId) -> DeviceView | None:
        """Return the device called `device_id`."""
        row = self._by_id.first(by_id=device_id)
        return None if row is None else self._view(row)

    def _view(self, row: Sequence[Any]) -> DeviceView:
        """Return the view; a device that waits to enrol again has no state, but a lineage that goes on."""
        view = view_of(row)
        if view.state is not None or view.device.enrolled_at is None:
            return view
        newest = self._newest.first(by_device=view.device.id)
        return view if newest is None else replace(view, certificate=_certificate_in(tuple(newest)))

    def certificate(self, serial: str) -> CertificateRecord | None:
        """Return an issued certificate by serial number, lowercase hex without leading zeros."""
        row = self._issued.first(key=serial)
        return None if row is None else _certificate_in(tuple(row))

    def key_reuse(self, thumbprint: str, *, beside: DeviceId) -> int:
        """Return how many devices are pinned to a key, not counting `beside`."""
        row = self._reuse.first(thumbprint=thumbprint, beside=beside)
        return 0 if row is None else int(row[0])

    def spent_by(self, nonce_hash: bytes) -> DeviceId | None:
        """Return the device that spent an unbound nonce."""
        row = self._spent.first(key=nonce_hash)
        return None if row is None else DeviceId(row[0])

    def spent_before(self, moment: datetime, limit: int) -> tuple[bytes, ...]:
        """Return hashes of spent unbound nonces that expired before `moment`, longest ago first."""
        return tuple(row[0] for row in self._spent_before.rows(moment=micros(moment), most=limit))

    def floors_ahead(self, moment: datetime) -> int:
        """Return how many devices spent a nonce that was issued after `moment`."""
        row = self._ahead.first(moment=micros(moment))
        return 0 if row is None else int(row[0])

    def enrolment_token(self, token_hash: bytes) -> EnrolmentToken | None:
        """Return the one-time token with that hash."""
        row = self._token.first(key=token_hash)
        if row is None:
            return None
        kept, device_id, thumbprint, created_at, created_by, expires_at, redeemed_at = row
        return EnrolmentToken(
            token_hash=kept,
            device_id=DeviceId(device_id),
            key_thumbprint=thumbprint,
            created_at=moment(created_at),
            created_by=created_by,
            expires_at=moment(expires_at),
            redeemed_at=time_or_none(redeemed_at),
        )

    def expired(self, now: datetime, limit: int) -> tuple[DeviceId, ...]:
        """Return devices whose decision has ended at `now` or was asked to be made again."""
        return tuple(DeviceId(row[0]) for row in self._expired.rows(now=micros(now), most=limit))

    def document(self, digest: Digest) -> bytes | None:
        """Return the content that `digest` names."""
        row = self._document.first(key=raw(digest))
        return None if row is None else unpacked(row[0])

    def activation(self) -> Activation | None:
        """Return which bundle is in force."""
        row = self._activation.first()
        return None if row is None else activation_of(row)

    def bundle(self, digest: Digest) -> BundleRecord | None:
        """Return a published bundle's record."""
        row = self._bundle.first(digest=raw(digest))
        return None if row is None else bundle_of(row)


def activation_of(row: Sequence[Any]) -> Activation:
    """Return the Activation in a row of its table."""
    generation, digest, activated_at, actor = row
    return Activation(generation=generation, digest=named(digest), activated_at=moment(activated_at), actor=actor)


def bundle_select(at: datetime | None = None) -> Select[Any]:
    """Return the SELECT behind BundleRecord: each bundle with its latest activation, if it is the one in force.

    With `at`: the one that was in force then.
    """
    active, inner = tables.activation, alias(tables.activation)
    generations = select(func.max(inner.c.generation))
    latest = (generations if at is None else generations.where(inner.c.activated_at <= micros(at))).scalar_subquery()
    joined = tables.bundle.outerjoin(
        active, (active.c.digest == tables.bundle.c.digest) & (active.c.generation == latest)
    )
    return select(tables.bundle, active.c.generation, active.c.activated_at, active.c.actor).select_from(joined)


def bundle_of(row: Sequence[Any]) -> BundleRecord:
    """Return the BundleRecord in a row of `bundle_select`."""
    digest, commit, published_at, published_by, height, generation, activated_at, activated_by = row
    return BundleRecord(
        digest=named(digest),
        commit=commit,
        published_at=moment(published_at),
        published_by=published_by,
        generation=generation,
        activated_at=time_or_none(activated_at),
        activated_by=activated_by,
        height=height,
    )


def _newest_certificate() -> Select[Any]:
    issued = (_certificate.device_id == bindparam("by_device")) & (_certificate.state == "issued")
    return select(tables.certificate).where(issued).order_by(desc(_certificate.lineage)).limit(1)


def _issued_certificate() -> Select[Any]:
    return select(tables.certificate).where(_certificate.serial == bindparam("key"), _certificate.state == "issued")


def _key_reuse() -> Select[Any]:
    return select(func.count()).where(
        _state.key_thumbprint == bindparam("thumbprint"), _state.device_id != bindparam("beside")
    )


def _one(column: Any, key: Any) -> Select[Any]:
    return select(column).where(key == bindparam("key"))


def _spent_before() -> Select[Any]:
    spent = tables.spent_nonce.c
    expired = select(spent.nonce_hash).where(spent.expires_at < bindparam("moment"))
    return expired.order_by(spent.expires_at).limit(bindparam("most"))


def _token_select() -> Select[Any]:
    return select(tables.enrolment_token).where(tables.enrolment_token.c.token_hash == bindparam("key"))


def _expired() -> Select[Any]:
    due = func.coalesce(_state.recheck_at, _state.valid_until)
    return (
        select(_state.device_id)
        .join(tables.device)
        .where(or_(_state.valid_until <= bindparam("now"), _state.recheck_at <= bindparam("now")))
        .where(_device.lifecycle == "operational")
        .order_by(due)
        .limit(bindparam("most"))
    )
