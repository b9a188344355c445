"""One key, one device: which keys certificates were made for, and which of them are compromised.

INVARIANT: transactions of all processes happen one after the other (Batch), so of two devices only one gets a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, bindparam, cast, select
from sqlalchemy.dialects import postgresql, sqlite

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.statements import Statement, insert_new
from policyengine.services.errors import ConflictError
from policyengine.services.records import HELD_BY_TIER, CertificateStatus

_key = tables.certified_key.c
_state = tables.device_state.c
_certificate = tables.certificate.c


class KeyStatements:
    """The statements about certificates and their keys before one is recorded, compiled once per process."""

    def __init__(self, dialect: Dialect) -> None:
        self.claim = insert_new(tables.certified_key, dialect)
        self.holder = Statement(
            select(_key.device_id, _key.compromised_at).where(_key.key_thumbprint == bindparam("thumbprint")), dialect
        )
        pinned = (_state.key_thumbprint == bindparam("thumbprint")) & (_state.device_id != bindparam("beside"))
        self.pinned_elsewhere = Statement(select(_state.device_id).where(pinned).limit(1), dialect)
        self.compromised = Statement(_compromised(dialect), dialect)
        this = (_certificate.issuer == bindparam("by_issuer")) & (_certificate.serial == bindparam("by_serial"))
        self.reservation = Statement(select(_certificate.state).where(this), dialect)
        self.held_by_person = Statement(select(_certificate.serial).where(*_held_by_person()), dialect)


def _compromised(dialect: Dialect) -> postgresql.Insert | sqlite.Insert:
    table = tables.certified_key
    new = postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)
    at = cast(bindparam("at"), BigInteger)
    theirs = (_certificate.issuer == bindparam("by_issuer")) & (_certificate.serial == bindparam("by_serial"))
    names = ["key_thumbprint", "device_id", "compromised_at"]
    filled = new.from_select(names, select(_certificate.key_thumbprint, _certificate.device_id, at).where(theirs))
    return filled.on_conflict_do_update(
        index_elements=["key_thumbprint"], set_={"compromised_at": filled.excluded.compromised_at}
    )


def _held_by_person() -> tuple[ColumnElement[bool], ...]:
    return (
        _certificate.serial == bindparam("by_serial"),
        _certificate.device_id == bindparam("by_device"),
        _certificate.status == CertificateStatus.HOLD.value,
        _certificate.status_reason != HELD_BY_TIER,
    )


def demand_own_key(holders: Sequence[Sequence[Any]], *, device_id: str, pinned_elsewhere: bool) -> None:
    """Raise ConflictError unless the key is this device's own and sound (`key.reused`, `key.compromised`).

    `holders` are the rows of `KeyStatements.holder`: one or none.
    """
    if pinned_elsewhere or any(holder != device_id for holder, _ in holders):
        raise ConflictError("the key is another device's; make a new one", code="key.reused", check="key.reused")
    if any(compromised is not None for _, compromised in holders):
        raise ConflictError(
            "a certificate of this key was revoked as compromised; make a new key",
            code="key.compromised",
            check="key.compromised",
        )
