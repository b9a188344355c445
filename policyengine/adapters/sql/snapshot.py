"""A database as it was at one moment, read whole: its rows table by table, and what they add up to.

A snapshot is one read transaction, so a server that goes on writing neither changes what is read nor waits for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, Table, create_engine, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from policyengine.adapters.sql.migration import demand_current, reason
from policyengine.adapters.sql.tables import metadata
from policyengine.errors import PolicyEngineError
from policyengine.services.errors import InvalidRequestError, UnavailableError

ROWS_AT_ONCE = 1000  # some megabytes of the widest table; more is not faster
_SUM_BYTES = 32

Row = Sequence[object]


class WholeTableError(PolicyEngineError):
    """A table came out otherwise than it went in."""

    code = "fault.copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """How many rows a table has, and the sum of their SHA-256, hex.

    A sum, since engines sort text differently. It finds damage, not forgery: for that there is the log.
    """

    table: str
    rows: int
    digest: str


class Tally:
    """Adds up rows as they pass by."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._rows = 0
        self._sum = 0

    def add(self, row: Row) -> None:
        """Count `row` in."""
        self._rows += 1
        self._sum += int.from_bytes(hashlib.sha256(b"".join(_spelled(value) for value in row)).digest())

    @property
    def contents(self) -> Contents:
        """What passed by."""
        digest = (self._sum % 2 ** (8 * _SUM_BYTES)).to_bytes(_SUM_BYTES).hex()
        return Contents(table=self._table, rows=self._rows, digest=digest)


def _spelled(value: object) -> bytes:
    """Return one spelling of a column's value, which no other value has and both engines agree on."""
    match value:
        case None:
            return b"n"
        case int():
            return b"i%d;" % value
        case str():
            text = value.encode()
            return b"s%d:%b" % (len(text), text)
        case bytes():
            return b"b%d:%b" % (len(value), value)
        case _:
            raise WholeTableError(f"a column holds a {type(value).__name__}, which no column of ours does")


class Snapshot:
    """One read transaction over the whole database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, table: Table) -> Iterator[Sequence[Row]]:
        """Yield the rows of `table`, some at a time."""
        found = self._connection.execute(select(table), execution_options={"yield_per": ROWS_AT_ONCE})
        yield from ([tuple(row) for row in part] for part in found.partitions())

    def contents(self, table: Table) -> Contents:
        """Return what `table` adds up to."""
        return contents_of(table.name, self.rows(table))


def contents_of(table: str, parts: Iterable[Sequence[Row]]) -> Contents:
    """Return what the rows in `parts` add up to."""
    tally = Tally(table)
    for part in parts:
        for row in part:
            tally.add(row)
    return tally.contents


@contextmanager
def snapshot(address: str) -> Iterator[Snapshot]:
    """Yield the database at `address` as it is now; nothing is written, not even how it keeps its journal.

    Raises UnavailableError when it does not answer or its schema is not this version's, InvalidRequestError.
    """
    engine = _reader(address)
    try:
        demand_current(engine)
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")  # the first SELECT takes the snapshot, and blocks no writer
            yield Snapshot(connection)
    except SQLAlchemyError as cause:
        raise UnavailableError(f"the database cannot be read: {reason(cause)}", code="store.unavailable") from cause
    finally:
        engine.dispose()


def sqlite_file(address: str) -> Path | None:
    """Return the file of a SQLite database, None for any other; raises InvalidRequestError for no address at all."""
    url = _url(address)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def shown(address: str) -> str:
    """Return `address` as people may see it: without its password."""
    return _url(address).render_as_string(hide_password=True)


def tables_in_order() -> Sequence[Table]:
    """Return every table, those that others refer to first."""
    return metadata.sorted_tables


def _url(address: str) -> URL:
    try:
        return make_url(address)
    except ArgumentError as cause:
        raise InvalidRequestError("database address cannot be read", code="store.url") from cause


def _reader(address: str) -> Engine:
    url = _url(address)
    if url.get_backend_name() == "postgresql":
        level = "REPEATABLE READ"  # PostgreSQL's snapshot isolation: all statements see one moment
        return create_engine(
            url, isolation_level=level, poolclass=NullPool, execution_options={"postgresql_readonly": True}
        )
    if url.get_backend_name() != "sqlite":
        raise InvalidRequestError("database is neither `sqlite:///` nor `postgresql+psycopg://`", code="store.url")
    if not Path(url.database or "").is_file():
        raise UnavailableError(f"`{url.database}` is not there", code="store.unavailable")
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
