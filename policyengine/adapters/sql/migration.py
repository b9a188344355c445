"""The schema's version: bringing a database up to date, and refusing one that this program does not know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, ScalarSelect, column, select, table, text
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
    demand_revision(_read_status(engine).current)


def demand_revision(current: str | None) -> None:
    """Raise UnavailableError unless `current`, which a database has, is the revision this version serves.

    A server that runs while somebody upgrades asks it in each of its transactions: rows that a later version would
    write otherwise are worse than none.
    """
    needed = needed_revision()
    if current != needed:
        has = "no tables yet" if current is None else f"schema `{current}`"
        way = "start the server once" if current is None else "the version that made it"
        raise UnavailableError(
            f"the database has {has} and this version serves `{needed}`: run `policyengine db upgrade`, or {way}",
            code="store.schema",
            current=current,
            needed=needed,
        )


def stored_revision() -> ScalarSelect[str]:
    """Return the question for a database's revision, for a statement that asks other things too."""
    return select(column("version_num")).select_from(table("alembic_version")).scalar_subquery()


@cache
def needed_revision() -> str:
    """Return the revision of the schema that this version serves."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _read_status(engine: Engine) -> SchemaStatus:
    try:
        with engine.connect() as connection:
            return _status(connection)
    except SQLAlchemyError as cause:
        raise UnavailableError("the database does not answer", code="store.unavailable") from cause


def _status(connection: Connection) -> SchemaStatus:
    current = MigrationContext.configure(connection).get_current_revision()
    return SchemaStatus(current=current, needed=needed_revision())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("policyengine.adapters.sql") / "migrations"))
    return config
