"""How SQLite finds rows: what each request looks up is found by its own key, in a table of any size."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.migration import upgrade
from policyengine.adapters.sql.reminder_reads import ending
from policyengine.adapters.sql.statements import Reading
from policyengine.adapters.sql.store import SqlStore, open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    url = f"sqlite:///{tmp_path_factory.mktemp('plans') / 'store.db'}"
    upgrade(url)
    made = open_store(url)
    yield made
    made.close()


def plan(store: SqlStore, reading: str) -> str:
    """Return how SQLite says that it would carry out the read that the store keeps under this name."""
    statement = getattr(store, reading)
    assert isinstance(statement, Reading)
    written = statement._statement.text
    named = set(re.findall(r":(\w+)", written))
    return "\n".join(steps(store, written, **dict.fromkeys(named, "x")))


def steps(store: SqlStore, written: str, **values: str) -> list[str]:
    """Return the steps in which SQLite says that it would carry out a statement."""
    with closing(sqlite3.connect(str(store._engines.read.url.database))) as connection:
        return [row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {written}", values)]


@pytest.mark.parametrize("reading", ["_issued", "_gate_by_serial"])
def test_a_certificate_is_found_by_its_serial_number(store: SqlStore, reading: str) -> None:
    """Nearly all certificates are issued: an index by state would be gone through from end to end."""
    assert "SEARCH certificate USING INDEX ix_certificate_serial (serial=?)" in plan(store, reading)


@pytest.mark.parametrize("reading", ["_by_tag", "_by_serial", "_by_id", "_newest", "_document", "_token", "_spent"])
def test_no_read_of_a_request_goes_through_a_table(store: SqlStore, reading: str) -> None:
    assert "SCAN" not in plan(store, reading)


def test_open_reservations_are_found_among_themselves(store: SqlStore) -> None:
    """A server that starts closes what a crash left open, and reads no other certificate for it."""
    wanted = f"SELECT serial FROM certificate WHERE {tables.OPEN} AND reserved_at < 5"
    assert steps(store, wanted) == ["SEARCH certificate USING INDEX ix_certificate_open (reserved_at<?)"]


def test_certificates_about_to_end_are_found_by_when_they_end(store: SqlStore) -> None:
    """Every server looks once a minute, and most certificates have long ended."""
    clause = ending(5, until=9, share=6, untold="x/").compile(
        store._engines.read, compile_kwargs={"literal_binds": True}
    )
    found = steps(store, str(clause))
    assert found[0] == "SEARCH certificate USING INDEX ix_certificate_not_after (not_after>? AND not_after<?)"
    assert not [step for step in found if "SCAN" in step]
