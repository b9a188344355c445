"""A hint between servers on one PostgreSQL that another bundle came into force; each reads the database itself.

A hint may be lost, come late or twice: with none at all the servers find out within a second, by polling.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

CHANNEL = "policyengine_activation"
LISTEN_SECONDS = 1.0  # how late a listener notices that it is to stop
RETRY_SECONDS = 5.0  # before the next try to listen: polling does the work meanwhile


def has_hints(url: str) -> bool:
    """Return whether servers on the database at `url` can tell each other."""
    return url.startswith("postgresql")


def hint(connection: Connection) -> None:
    """Tell the others once this transaction is committed, and nobody if it is not; nothing on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")


def listen(url: str, hinted: Callable[[], None], stop: threading.Event) -> None:
    """Call `hinted` at each hint until `stop`, and whenever listening begins: what came before was not heard.

    Holds one connection. Where that breaks, or is not allowed, it is tried again.
    """
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    broken = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error)
    while not stop.is_set():
        try:
            _listen(engine, hinted, stop)
        except broken:
            stop.wait(RETRY_SECONDS)


def _listen(engine: Engine, hinted: Callable[[], None], stop: threading.Event) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(f"LISTEN {CHANNEL}")
        driver = connection.connection.driver_connection
        hinted()
        while driver is not None and not stop.is_set():
            for _ in driver.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                hinted()
