"""A hint of PostgreSQL makes the other servers look at once; that they look at all does not depend on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import NullPool, create_engine

from policyengine.adapters.sql.hints import CHANNEL, listen
from policyengine.services.policies import PolicyShelf
from tests.support import postgres
from tests.support.site import Site, open_site, put_in_force

OTHER = {"operations__hardening": (b"severity: high", b"severity: low")}
PATIENCE = 120.0  # seconds until a hint that never comes fails the test; it takes milliseconds

pytestmark = pytest.mark.xdist_group("postgresql")


@contextmanager
def listening(url: str, policies: PolicyShelf) -> Iterator[threading.Event]:
    """Let hints reach `policies`; the event is set by each of them, and is clear as the block begins."""
    heard, stop = threading.Event(), threading.Event()

    def hinted() -> None:
        policies.look_again()
        heard.set()

    thread = threading.Thread(target=listen, args=(url, hinted, stop), daemon=True)
    thread.start()
    try:
        assert heard.wait(PATIENCE)  # it listens
        heard.clear()
        yield heard
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def servers(postgres_server: str) -> Iterator[tuple[str, Site, Site]]:
    """Two servers on one database; the clock of the second stands, so it never polls by itself."""
    url = postgres.new_database(postgres_server)
    first, second = open_site(url), open_site(url, seed=8)
    put_in_force(first)
    yield url, first, second
    first.store.close()
    second.store.close()


def test_a_server_that_is_told_meets_an_activation_before_its_next_poll(servers: tuple[str, Site, Site]) -> None:
    url, first, second = servers
    policies = second.services.policies
    policies.look_again()
    before = policies.active()
    with listening(url, policies) as heard:
        policies.active()
        digest = put_in_force(first, **OTHER)
        assert heard.wait(PATIENCE)
        after = policies.active()
    assert (after.generation, after.policies.digest) == (before.generation + 1, digest)


def test_a_server_that_is_not_told_meets_it_by_polling(servers: tuple[str, Site, Site]) -> None:
    """DESIGN section 12: NOTIFY only a hint."""
    _, first, second = servers
    policies = second.services.policies
    before = policies.active()
    digest = put_in_force(first, operations__hardening=(b"severity: high", b"severity: medium"))
    assert policies.active().generation == before.generation
    second.clock.time = first.clock.time
    assert policies.active().policies.digest == digest


def test_a_listener_whose_connection_broke_listens_again_and_looks(servers: tuple[str, Site, Site]) -> None:
    """What was said meanwhile was not heard."""
    url, _, second = servers
    with listening(url, second.services.policies) as heard:
        with create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as other:
            other.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                f" AND query = 'LISTEN {CHANNEL}'"
            )
        assert heard.wait(PATIENCE)
