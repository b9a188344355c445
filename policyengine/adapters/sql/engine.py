"""Engines over one database: one to read (each statement sees the latest commit) and one to write."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from policyengine.services.errors import InvalidRequestError

BUSY_TIMEOUT_MS = 10_000  # another process's batch takes milliseconds; ten seconds means something is wrong
CACHE_KIB = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Two engines on the same database."""

    read: Engine
    write: Engine

    def dispose(self) -> None:
        """Close every connection."""
        self.read.dispose()
        self.write.dispose()


def open_engines(url: str) -> Engines:
    """Return engines for `url` (`sqlite:///file` or `postgresql+psycopg://...`); raises InvalidRequestError."""
    if url.startswith("sqlite:///"):
        return _sqlite(url)
    if url.startswith("postgresql+psycopg://"):
        return Engines(
            read=create_engine(url, isolation_level="AUTOCOMMIT"),
            write=create_engine(url, pool_size=1, max_overflow=1),
        )
    raise InvalidRequestError("database is neither `sqlite:///` nor `postgresql+psycopg://`", code="store.url")


def _sqlite(url: str) -> Engines:
    try:
        read = create_engine(url, paramstyle="named", isolation_level="AUTOCOMMIT")
        write = create_engine(url, paramstyle="named", pool_size=1, max_overflow=1)
    except ArgumentError as cause:
        raise InvalidRequestError("database address cannot be read", code="store.url") from cause
    event.listen(read, "connect", _configure)
    event.listen(write, "connect", _configure_writer)
    event.listen(write, "begin", _begin_immediate)
    return Engines(read=read, write=write)


def _configure(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS:d}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # an acknowledged commit survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB:d}")


def _configure_writer(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin_immediate
    _configure(connection, entry)


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction would read first and then fail to upgrade when another process wrote in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
