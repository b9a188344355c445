"""Statements compiled once for the dialect and run as driver SQL: no expression is compiled on the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Row, Table, bindparam, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import ClauseElement

from policyengine.services.errors import UnavailableError

Params = Mapping[str, object]


class Statement:
    """One statement's text; parameters are dictionaries on both drivers."""

    def __init__(self, clause: ClauseElement, dialect: Dialect) -> None:
        compiled = clause.compile(dialect=dialect)
        self.text = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def parameters(self, row: Params) -> dict[str, object]:
        """Return `row` with the constants that the statement was written with."""
        return {**self._constants, **row}

    def many(self, connection: Connection, rows: Sequence[Params]) -> None:
        """Run once for each of `rows`; does nothing without rows."""
        if rows:
            connection.exec_driver_sql(self.text, [self.parameters(row) for row in rows])

    def one(self, connection: Connection, row: Params) -> int:
        """Run once and return how many rows it touched."""
        return connection.exec_driver_sql(self.text, self.parameters(row)).rowcount

    def rows(self, connection: Connection, row: Params) -> Sequence[Row[Any]]:
        """Return all rows it yields."""
        return connection.exec_driver_sql(self.text, self.parameters(row)).all()

    def first(self, connection: Connection, row: Params) -> Row[Any] | None:
        """Return the first row it yields."""
        return connection.exec_driver_sql(self.text, self.parameters(row)).first()


class Reading:
    """A SELECT for the hot path: compiled once, run on the driver's own cursor, its rows are plain tuples.

    SQLAlchemy's result rows cost four times the query itself when a row has sixty columns.
    """

    def __init__(self, clause: ClauseElement, engine: Engine) -> None:
        self._statement = Statement(clause, engine.dialect)
        self._engine = engine

    def first(self, **values: object) -> Sequence[Any] | None:
        """Return the first row; raises UnavailableError."""
        rows = self.rows(**values)
        return rows[0] if rows else None

    def rows(self, **values: object) -> Sequence[Sequence[Any]]:
        """Return all rows; raises UnavailableError."""
        dbapi = self._engine.dialect.loaded_dbapi
        try:
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(self._statement.text, self._statement.parameters(values))
                found: Sequence[Sequence[Any]] = cursor.fetchall()
                cursor.close()
            finally:
                connection.close()
        except (SQLAlchemyError, dbapi.Error) as cause:
            raise UnavailableError("storage does not answer", code="store.unavailable") from cause
        return found


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
