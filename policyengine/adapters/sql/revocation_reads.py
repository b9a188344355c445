"""What revocation lists and OCSP answers read: entries by range of serial, and one certificate's status."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, bindparam, exists, func, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.statements import ReadConnections, Reading
from policyengine.services.moments import micros, moment
from policyengine.services.records import CertificateStatus, Lifecycle

_revocation = tables.revocation.c
_certificate = tables.certificate.c
_own = tables.service_certificate.c


class SqlRevocationReads:
    """Implements the RevocationReads port."""

    def __init__(self, engine: Engine) -> None:
        self._lists = kept = ReadConnections(engine)
        state = select(func.count(), func.max(_revocation.changed_at))
        self._state = Reading(_within(state), engine, kept)
        alive = (_revocation.entry.is_not(None)) & (_revocation.not_after >= bindparam("alive_at"))
        self._entries = Reading(_within(select(_revocation.entry)).where(alive), engine, kept)
        changes = select(_revocation.serial, _revocation.entry, _revocation.changed_at)
        self._changes = Reading(_within(changes).where(_revocation.changed_at >= bindparam("since")), engine, kept)
        status = select(_certificate.status, _certificate.status_reason, _certificate.status_at)
        self._status = Reading(
            status.where(
                _certificate.issuer == bindparam("by_issuer"),
                _certificate.serial == bindparam("by_serial"),
                _certificate.state == "issued",
            ),
            engine,
            kept,
        )

        own = select(_own.status, _own.status_reason, _own.status_at)
        of_this = (_own.issuer == bindparam("by_issuer")) & (_own.serial == bindparam("by_serial"))
        self._own_status = Reading(own.where(of_this), engine, kept)

        last = _last_of_devices()
        self._in_use = Reading(select(func.count()).select_from(tables.certificate).where(last), engine, kept)
        some = select(_certificate.serial).where(last).limit(bindparam("most"))
        self._serials_in_use = Reading(some, engine, kept)

    def close_list_reads(self) -> None:
        """Give the connections kept for reads back."""
        self._lists.close()

    def revocation_state(self, issuer: str, first: str, last: str) -> Hashable:
        """Return a value that changes whenever an entry between the serials does."""
        return tuple(self._state.first(by_issuer=issuer, first=first, last=last) or ())

    def revocation_entries(self, issuer: str, first: str, last: str, *, alive_at: datetime) -> list[bytes]:
        """Return the encoded entries of what is revoked or on hold and has not expired."""
        rows = self._entries.rows(by_issuer=issuer, first=first, last=last, alive_at=micros(alive_at))
        return [bytes(row[0]) for row in rows]

    def revocation_changes(
        self, issuer: str, first: str, last: str, *, since: datetime
    ) -> list[tuple[str, bytes | None, datetime]]:
        """Return (serial, entry, when) of what changed; entry None: released."""
        rows = self._changes.rows(by_issuer=issuer, first=first, last=last, since=micros(since))
        return [(serial, None if entry is None else bytes(entry), moment(at)) for serial, entry, at in rows]

    def certificate_status(self, issuer: str, serial: str) -> tuple[CertificateStatus, str | None, datetime] | None:
        """Return what is said of an issued certificate: status, reason, since when."""
        keys = {"by_issuer": issuer, "by_serial": serial}
        row = self._status.first(**keys) or self._own_status.first(**keys)
        return None if row is None else (CertificateStatus(row[0]), row[1], moment(row[2]))

    def in_use(self, issuer: str, at: datetime) -> int:
        """Return how many devices in service have nothing newer than a certificate of `issuer` that is not over."""
        row = self._in_use.first(by_issuer=issuer, at=micros(at))
        return 0 if row is None else int(row[0])

    def serials_in_use(self, issuer: str, at: datetime, limit: int) -> tuple[str, ...]:
        """Return some serial numbers of those certificates."""
        return tuple(row[0] for row in self._serials_in_use.rows(by_issuer=issuer, at=micros(at), most=limit))


def _last_of_devices() -> ColumnElement[bool]:
    newer = tables.certificate.alias("newer").c
    follows = (newer.device_id == _certificate.device_id) & (newer.state == "issued")
    return (
        (_certificate.issuer == bindparam("by_issuer"))
        & (_certificate.state == "issued")
        & (_certificate.status != CertificateStatus.REVOKED.value)
        & (_certificate.not_after > bindparam("at"))
        & ~exists().where(follows, newer.lineage > _certificate.lineage)
        & exists().where(
            tables.device.c.id == _certificate.device_id,
            tables.device.c.lifecycle != Lifecycle.RETIRED.value,
        )
    )


def _within(clause: Select[*tuple[Any, ...]]) -> Select[Any]:
    return clause.where(
        _revocation.issuer == bindparam("by_issuer"),
        _revocation.serial >= bindparam("first"),
        _revocation.serial <= bindparam("last"),
    )
