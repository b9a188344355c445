"""What is wrong inside a database: pages, types, content that is not what its digest says, settings that lose it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, SmallInteger, Table, create_engine, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import unpacked
from policyengine.adapters.sql.migration import reason, status
from policyengine.adapters.sql.snapshot import Row, snapshot, sqlite_file, tables_in_order
from policyengine.errors import PolicyEngineError
from policyengine.services.findings import Finding, error, warning
from policyengine.services.moments import micros, moment

RESTORE = "stop the server, keep its files, and restore a backup: `policyengine db restore --verify`"
MAX_PAGES_TOLD = 5  # of damaged pages; the file is lost anyway
MAX_IDS_TOLD = 20  # of ids that differ in case; who sees them looks for more
_SECONDS = "%Y-%m-%d %H:%M:%S"
TOLERANCE_US = 60 * 1_000_000  # clocks of several servers may differ by as much without harm

# PostgreSQL's settings (its documentation, section 19.5): with one of these off, an answered commit may be lost.
_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
_KINDS = {LargeBinary: "blob", BigInteger: "integer", SmallInteger: "integer", Integer: "integer"}


def examine_pages(address: str) -> Iterator[Finding]:
    """Yield that a SQLite file is not there, is none, or has damaged pages."""
    file = sqlite_file(address)
    if file is None:
        return
    if not file.is_file():  # opening it would make it
        yield error("store.unavailable", f"`{file}` is not there", RESTORE)
        return
    try:
        with _connected(address) as connection:
            found = connection.execute(text(f"PRAGMA quick_check({MAX_PAGES_TOLD:d})")).scalars().all()
    except SQLAlchemyError as cause:
        found = [reason(cause)]
    for said in found:
        if said != "ok":
            yield error("store.damaged", f"the database file is damaged: {said}".replace("\n", " "), RESTORE)


def examine_schema(address: str) -> Iterator[Finding]:
    """Yield that the database does not answer, or has another version's schema."""
    try:
        found = status(address)
    except PolicyEngineError as cause:
        yield error(cause.code, cause.message, "start the database, or correct its address")
        return
    if not found.is_current:
        message = f"the database has schema `{found.current}`, this version needs `{found.needed}`"
        advice = "run `policyengine db upgrade`; if the database is the newer one, install that version"
        yield error("store.schema", message, advice)


def examine_engine(address: str) -> Iterator[Finding]:
    """Yield columns of a wrong type (SQLite), and settings that can lose commits (PostgreSQL)."""
    try:
        with _connected(address) as connection:
            yield from _types(connection) if connection.dialect.name == "sqlite" else _settings(connection)
    except SQLAlchemyError as cause:
        yield error("store.damaged", f"the database cannot be read: {reason(cause)}", RESTORE)


@contextmanager
def _connected(address: str) -> Iterator[Connection]:
    engine = create_engine(address, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _types(connection: Connection) -> Iterator[Finding]:
    """SQLite stores any type in any column; only somebody else's hand puts a wrong one there."""
    for table in tables_in_order():
        wrong = _wrongly_typed(table)
        count = connection.execute(text(f"SELECT count(*) FROM {table.name} WHERE {wrong}")).scalar_one()  # noqa: S608 - our own names
        if count:
            yield error("store.damaged", f"{count} rows of `{table.name}` hold values of a wrong type", RESTORE)


def _wrongly_typed(table: Table) -> str:
    kinds = ((column.name, _KINDS.get(type(column.type), "text")) for column in table.columns)
    return " OR ".join(f"typeof(\"{name}\") NOT IN ('{kind}', 'null')" for name, kind in kinds)


def _settings(connection: Connection) -> Iterator[Finding]:
    for name in _DURABLE:
        value = connection.execute(text(f"SHOW {name}")).scalar_one()
        if value == "off":
            message = f"PostgreSQL runs with {name} = off: check-ins that were answered can be lost"
            yield error("store.not-durable", message, f"set {name} = on in postgresql.conf and reload")


def examine_content(address: str) -> Iterator[Finding]:
    """Yield each stored document whose content is not what its digest says, and each decision that cannot be read."""
    with snapshot(address) as read:
        for part in read.rows(tables.document):
            for row in part:
                yield from _damaged_document(tables.document.columns.keys(), row)
        place = tables.decision.columns.keys().index("document")
        for part in read.rows(tables.decision):
            for row in part:
                if _content(row[place]) is None:
                    yield _damaged(f"decision `{_name(row[0])}` cannot be read")


def _damaged_document(columns: Sequence[str], row: Row) -> Iterator[Finding]:
    values = dict(zip(columns, row, strict=True))
    content = _content(values["body"])
    if content is None or hashlib.sha256(content).digest() != values["digest"]:
        yield _damaged(f"{values['kind']} document `{_name(values['digest'])}` is not what its digest says")


def _content(body: object) -> bytes | None:
    try:
        return unpacked(body) if isinstance(body, bytes) else None
    except PolicyEngineError:
        return None


def _name(digest: object) -> str:
    return f"sha256:{digest.hex()}" if isinstance(digest, bytes) else str(digest)


def _damaged(message: str) -> Finding:
    return error("document.damaged", message, RESTORE)


def decisions_kept(address: str) -> int:
    """Return how many decisions can be made again."""
    with _connected(address) as connection:
        query = "SELECT (SELECT count(*) FROM decision) + (SELECT count(*) FROM device_state)"
        return int(connection.execute(text(query)).scalar_one())


def examine_ids(address: str) -> Iterator[Finding]:
    """Yield the devices, registered by an earlier version, whose ids are others' but for case."""
    device = tables.device.c
    with _connected(address) as connection:
        found = connection.execute(
            select(device.id).where(device.folded.is_(None)).order_by(device.id).limit(MAX_IDS_TOLD)
        )
        for name in found.scalars():
            message = f"`{name}` is another device's id but for case: their certificates have one name"
            yield warning("device.exists", message, "replace it by a device with an id of its own: docs/operator.md")


def examine_clock(address: str, *, now: datetime) -> Iterator[Finding]:
    """Yield that the clock stands before what was recorded last."""
    with _connected(address) as connection:
        latest = connection.execute(text("SELECT max(at) FROM log_leaf")).scalar_one()
    if latest is not None and latest > micros(now) + TOLERANCE_US:
        yield error(
            "clock.behind",
            f"the clock says {now:{_SECONDS}} UTC, and the log has an entry of {moment(latest):{_SECONDS}}",
            "set the clock; if it was ahead then: `policyengine device reset-floors` (docs/operator.md)",
        )
