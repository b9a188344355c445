"""The schema's version: bringing a database up to date, and refusing one that this program does not know."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from policyengine.adapters.sql.engine import open_engines
from policyengine.services.errors import UnavailableError

# Two servers that start together must not migrate at once; any constant of our own will do.
_POSTGRES_LOCK = 0x706F6C696379


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStatus:
    """The revision a database has (None: empty) and the one this version needs."""

    current: str | None
    needed: str

    @property
    def is_current(self) -> bool:
        """Tell whether the two are the same."""
        return self.current == self.needed


def upgrade(url: str) -> SchemaStatus:
    """Return the status after all migrations have run on the database at `url`; raises UnavailableError."""
    engines = open_engines(url)
    try:
        with engines.write.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK:d})"))
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            return _status(connection)
    except SQLAlchemyError as cause:
        message = f"the database cannot be brought up to date: {reason(cause)}"
        raise UnavailableError(message, code="store.migration") from cause
    finally:
        engines.dispose()


def reason(error: SQLAlchemyError) -> str:
    """Return the first line of what the database itself says, such as `database or disk is full`."""
    said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return said.partition("\n")[0].strip() or type(error).__name__


def status(url: str) -> SchemaStatus:
    """Return which revision the database at `url` has; raises UnavailableError."""
    engines = open_engines(url)
    try:
        return _read_status(engines.read)
    finally:
        engines.dispose()


def demand_current(engine: Engine) -> None:
    """Raise UnavailableError unless the database has exactly the schema this version serves."""
    found = _read_status(engine)
    if not found.is_current:
        raise UnavailableError(
            f"the database has schema `{found.current}` and needs `{found.needed}`: run `policyengine db upgrade`",
            code="store.schema",
            current=found.current,
            needed=found.needed,
        )


def _read_status(engine: Engine) -> SchemaStatus:
    try:
        with engine.connect() as connection:
            return _status(connection)
    except SQLAlchemyError as cause:
        raise UnavailableError("the database does not answer", code="store.unavailable") from cause


def _status(connection: Connection) -> SchemaStatus:
    needed = ScriptDirectory.from_config(_config()).get_current_head()
    return SchemaStatus(current=MigrationContext.configure(connection).get_current_revision(), needed=needed or "")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("policyengine.adapters.sql") / "migrations"))
    return config
