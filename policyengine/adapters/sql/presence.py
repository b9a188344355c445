"""Who serves a database: a lock that each server holds while it lives, so that one that starts knows if it is alone.

The database (PostgreSQL) or the file system (SQLite) gives the lock back when its holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from policyengine.adapters.sql.migration import reason
from policyengine.adapters.sql.snapshot import sqlite_file
from policyengine.services.errors import UnavailableError

# Any constant of our own will do, as long as it is not that of migrations.
_POSTGRES_LOCK = 0x7365727665727300

Act = Callable[[], None]


class Presence(Protocol):
    """Held for as long as a server runs."""

    def close(self) -> None:
        """Leave."""
        ...


def join(address: str, *, alone: Act, in_company: Act) -> Presence:
    """Return this server's presence, once `alone` or `in_company` has been carried out, whichever holds.

    No other server starts while `alone` runs. Raises UnavailableError, OSError.
    """
    file = sqlite_file(address)
    return _join_postgres(address, alone, in_company) if file is None else _join_file(file, alone, in_company)


def _join_postgres(address: str, alone: Act, in_company: Act) -> Presence:
    connection = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()
    try:
        first = connection.execute(text(f"SELECT pg_try_advisory_lock({_POSTGRES_LOCK:d})")).scalar_one()
        if first:
            alone()
        connection.execute(text(f"SELECT pg_advisory_lock_shared({_POSTGRES_LOCK:d})"))
        if first:
            connection.execute(text(f"SELECT pg_advisory_unlock({_POSTGRES_LOCK:d})"))
        else:
            in_company()
    except SQLAlchemyError as cause:
        connection.close()
        raise UnavailableError(f"the database does not answer: {reason(cause)}", code="store.unavailable") from cause
    except BaseException:
        connection.close()
        raise
    return connection


def _join_file(database: Path, alone: Act, in_company: Act) -> Presence:
    file = database.with_suffix(".serving").open("wb")
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(file, fcntl.LOCK_SH)
            in_company()
        else:
            alone()
            fcntl.flock(file, fcntl.LOCK_SH)
    except BaseException:
        file.close()
        raise
    return file
