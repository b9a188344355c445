"""Databases for tests that want a real one: a SQLite file, and a PostgreSQL server where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server; skips loudly where it is not installed."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (initdb and pg_ctl)")
    with postgres.server(programs) as address:
        yield address


ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql")))


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return postgres.new_database(request.getfixturevalue("postgres_server"))


@pytest.fixture(scope="module", params=ENGINES)
def module_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a database that all tests of a module share, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    return postgres.new_database(request.getfixturevalue("postgres_server"))
