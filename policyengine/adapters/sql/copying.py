"""A database copied into an empty one, SQLite or PostgreSQL alike: in one transaction, and read back before it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.engine import open_engines
from policyengine.adapters.sql.migration import reason, upgrade
from policyengine.adapters.sql.snapshot import (
    Contents,
    Row,
    Snapshot,
    Tally,
    WholeTableError,
    snapshot,
    tables_in_order,
)
from policyengine.services.errors import ConflictError, UnavailableError

Progress = Callable[[Contents], None]


def copy_database(source: str, target: str, *, progress: Progress) -> tuple[Contents, ...]:
    """Return what each table holds, once `target` durably holds the rows of `source` and nothing else.

    `progress` hears of each table when it is copied and read back. Raises ConflictError when `target` is not empty,
    WholeTableError when a table came out otherwise than it went in, UnavailableError; then `target` has no row of it.
    """
    with snapshot(source) as read:
        upgrade(target)
        engines = open_engines(target)
        try:
            with engines.write.begin() as connection:
                _demand_empty(connection)
                return tuple(_copied(table, read, connection, progress) for table in tables_in_order())
        except SQLAlchemyError as cause:
            message = f"the copy cannot be written: {reason(cause)}"
            raise UnavailableError(message, code="store.unavailable") from cause
        finally:
            engines.dispose()


def _demand_empty(connection: Connection) -> None:
    """Raise ConflictError if a server has ever written here; else take the empty log's head away."""
    used = connection.execute(select(tables.log_head.c.size)).scalar_one_or_none()
    held = [table.name for table in tables_in_order() if table is not tables.log_head and _count(connection, table)]
    if used or held:
        raise ConflictError(
            "the database to copy into is not empty; nothing was written, name a new one", code="copy.target"
        )
    connection.execute(delete(tables.log_head))


def _count(connection: Connection, table: Table) -> int:
    found: int = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return found


def _copied(table: Table, read: Snapshot, connection: Connection, progress: Progress) -> Contents:
    tally = Tally(table.name)
    for part in read.rows(table):
        for row in part:
            tally.add(row)
        connection.execute(insert(table), [_named(table, row) for row in part])
    written = Snapshot(connection).contents(table)
    if written != tally.contents:
        raise WholeTableError(
            f"`{table.name}` came out otherwise than it went in; nothing was kept",
            rows_read=tally.contents.rows,
            rows_written=written.rows,
        )
    progress(written)
    return written


def _named(table: Table, row: Row) -> dict[str, object]:
    columns: Sequence[str] = table.columns.keys()
    return dict(zip(columns, row, strict=True))
