"""Statements compiled once for the dialect and run as driver SQL: no expression is compiled on the hot path."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    PoolProxiedConnection,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import ClauseElement

from policyengine.services.errors import UnavailableError

Params = Mapping[str, object]

KEPT_CONNECTIONS = 2  # the loop of the server and the sweep; the pool has five, and other reads need them

_PREFIXED = re.compile(r"(:|%\()(?:set|key)__(\w+)")  # as the two drivers write a named parameter


class Statement:
    """One statement's text, run on the driver's own cursor; parameters are dictionaries on both drivers.

    A batch of eight check-ins runs seven statements: SQLAlchemy's execution took as much CPU as the statements.

    Parameters of an UPDATE are named after their columns: SQLAlchemy keeps those names to itself while it compiles, and
    renaming each row's at run time would cost as much as making the row.
    """

    def __init__(self, clause: ClauseElement, dialect: Dialect) -> None:
        compiled = clause.compile(dialect=dialect)
        self.text = _PREFIXED.sub(r"\1\2", str(compiled))
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def parameters(self, row: Params) -> Params:
        """Return `row` with the constants that the statement was written with."""
        return {**self._constants, **row} if self._constants else row

    def many(self, connection: Connection, rows: Sequence[Params]) -> None:
        """Run once for each of `rows`; does nothing without rows. Raises the driver's errors."""
        if rows:
            cursor = connection.connection.cursor()
            cursor.executemany(self.text, [self.parameters(row) for row in rows] if self._constants else rows)
            cursor.close()

    def rows(self, connection: Connection, row: Params) -> Sequence[Sequence[Any]]:
        """Return all rows it yields, plain tuples. Raises the driver's errors."""
        cursor = connection.connection.cursor()
        cursor.execute(self.text, self.parameters(row))
        found: Sequence[Sequence[Any]] = cursor.fetchall()
        cursor.close()
        return found


class ReadConnections:
    """Connections for hot reads, kept between them: the way out of the pool and back costs as much as a read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: deque[PoolProxiedConnection] = deque()

    def rows(self, statement: Statement, values: Params) -> Sequence[Sequence[Any]]:
        """Return all rows that `statement` yields; raises UnavailableError."""
        try:
            connection, found = self._taken(), None
            try:
                cursor = connection.cursor()
                cursor.execute(statement.text, statement.parameters(values))
                found = cursor.fetchall()
                cursor.close()
            finally:
                if found is None:
                    connection.invalidate()
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as cause:
            raise UnavailableError("storage does not answer", code="store.unavailable") from cause
        self._put_back(connection)
        return found

    def close(self) -> None:
        """Give every connection back to the pool."""
        while self._idle:
            self._idle.pop().close()

    def _taken(self) -> PoolProxiedConnection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._engine.raw_connection()

    def _put_back(self, connection: PoolProxiedConnection) -> None:
        if len(self._idle) < KEPT_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()


class Reading:
    """A SELECT for the hot path: compiled once, run on the driver's own cursor, its rows are plain tuples.

    SQLAlchemy's result rows cost four times the query itself when a row has sixty columns.
    """

    def __init__(self, clause: ClauseElement, engine: Engine, connections: ReadConnections) -> None:
        self._statement = Statement(clause, engine.dialect)
        self._connections = connections

    def first(self, **values: object) -> Sequence[Any] | None:
        """Return the first row; raises UnavailableError."""
        rows = self.rows(**values)
        return rows[0] if rows else None

    def rows(self, **values: object) -> Sequence[Sequence[Any]]:
        """Return all rows; raises UnavailableError."""
        return self._connections.rows(self._statement, values)


def among(column: ColumnElement[Any], dialect: Dialect, *, name: str) -> ColumnElement[bool]:
    """Return the condition that `column` is one of the texts in the parameter `name`, which `listed` makes.

    SQLAlchemy's own IN is written anew for each number of values.
    """
    if dialect.name == "postgresql":
        return column == func.any(bindparam(name, type_=postgresql.ARRAY(Text)))
    return column.in_(select(func.json_each(bindparam(name)).table_valued("value").c.value))


def listed(dialect: Dialect, values: Sequence[str]) -> object:
    """Return `values` as the one parameter that `among` takes."""
    return list(values) if dialect.name == "postgresql" else json.dumps(values)


def insert_new(table: Table, dialect: Dialect) -> Statement:
    """Return an INSERT that leaves an existing row as it is."""
    if dialect.name == "postgresql":
        return Statement(postgresql.insert(table).on_conflict_do_nothing(), dialect)
    return Statement(sqlite.insert(table).on_conflict_do_nothing(), dialect)


def insert_or_set(table: Table, dialect: Dialect, *, column: str) -> Statement:
    """Return an INSERT that sets `column` alone where the row is there already."""
    keys = [each.name for each in table.primary_key.columns]
    new: postgresql.Insert | sqlite.Insert
    new = postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)
    return Statement(new.on_conflict_do_update(index_elements=keys, set_={column: new.excluded[column]}), dialect)


def insert_or_add(table: Table, dialect: Dialect, *, columns: Sequence[str]) -> Statement:
    """Return an INSERT that adds to `columns` where the row is there already."""
    keys = [each.name for each in table.primary_key.columns]
    new: postgresql.Insert | sqlite.Insert
    new = postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)
    sums = {name: table.c[name] + new.excluded[name] for name in columns}
    return Statement(new.on_conflict_do_update(index_elements=keys, set_=sums), dialect)


def insert_row(table: Table, dialect: Dialect) -> Statement:
    """Return a plain INSERT of all columns."""
    return Statement(insert(table), dialect)


def delete_row(table: Table, dialect: Dialect, *, keys: Sequence[str]) -> Statement:
    """Return a DELETE where each of `keys` equals the parameter of its name."""
    clause = delete(table)
    for name in keys:
        clause = clause.where(table.c[name] == bindparam(name))
    return Statement(clause, dialect)


def update_row(table: Table, dialect: Dialect, *, keys: Sequence[str], columns: Sequence[str]) -> Statement:
    """Return an UPDATE of `columns` where each of `keys` equals its parameter; no column is both."""
    clause = update(table).values({name: bindparam(f"set__{name}") for name in columns})
    for name in keys:
        clause = clause.where(table.c[name] == bindparam(f"key__{name}"))
    return Statement(clause, dialect)
