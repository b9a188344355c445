"""Statements compiled once for the dialect and run as driver SQL: no expression is compiled on the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Row, Table, bindparam, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

Params = Mapping[str, object]


class Statement:
    """One statement's text; parameters are dictionaries on both drivers."""

    def __init__(self, clause: ClauseElement, dialect: Dialect) -> None:
        compiled = clause.compile(dialect=dialect)
        self._sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def many(self, connection: Connection, rows: Sequence[Params]) -> None:
        """Run once for each of `rows`; does nothing without rows."""
        if rows:
            connection.exec_driver_sql(self._sql, [{**self._constants, **row} for row in rows])

    def one(self, connection: Connection, row: Params) -> int:
        """Run once and return how many rows it touched."""
        return connection.exec_driver_sql(self._sql, {**self._constants, **row}).rowcount

    def rows(self, connection: Connection, row: Params) -> Sequence[Row[Any]]:
        """Return all rows it yields."""
        return connection.exec_driver_sql(self._sql, {**self._constants, **row}).all()

    def first(self, connection: Connection, row: Params) -> Row[Any] | None:
        """Return the first row it yields."""
        return connection.exec_driver_sql(self._sql, {**self._constants, **row}).first()


def insert_new(table: Table, dialect: Dialect) -> Statement:
    """Return an INSERT that leaves an existing row as it is."""
    if dialect.name == "postgresql":
        return Statement(postgresql.insert(table).on_conflict_do_nothing(), dialect)
    return Statement(sqlite.insert(table).on_conflict_do_nothing(), dialect)


def insert_row(table: Table, dialect: Dialect) -> Statement:
    """Return a plain INSERT of all columns."""
    return Statement(insert(table), dialect)


def update_row(table: Table, dialect: Dialect, *, keys: Sequence[str], columns: Sequence[str]) -> Statement:
    """Return an UPDATE of `columns` where each of `keys` equals the parameter `key_NAME`."""
    clause = update(table).values({name: bindparam(f"set_{name}") for name in columns})
    for name in keys:
        clause = clause.where(table.c[name] == bindparam(f"key_{name}"))
    return Statement(clause, dialect)


def settings(row: Params, *, keys: Params) -> dict[str, object]:
    """Return the parameters of an `update_row` statement."""
    return {f"set_{name}": value for name, value in row.items()} | {
        f"key_{name}": value for name, value in keys.items()
    }
