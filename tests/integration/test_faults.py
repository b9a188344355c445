"""Storage that fails under a running server: nothing is acknowledged meanwhile, and it goes on without repair."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from policyengine.adapters.examination import examine_database, reading
from policyengine.errors import PolicyEngineError
from policyengine.services.errors import UnavailableError
from policyengine.simulation.device import SimulatedDevice
from tests.support import postgres
from tests.support.site import Site, next_nonce, open_site, ready_site

ATTEMPTS = 6  # a pool holds that many connections at most, each of which finds out for itself


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with policies in force and devices announced."""
    file = tmp_path_factory.mktemp("prepared") / "store.db"
    ready_site(f"sqlite:///{file}").store.close()
    return file


@pytest.fixture
def full(prepared: Path, tmp_path: Path) -> Iterator[tuple[Site, str]]:
    """A site whose SQLite file may not grow by another page."""
    address = f"sqlite:///{tmp_path / 'store.db'}"
    shutil.copy(prepared, tmp_path / "store.db")
    site = open_site(address)
    with site.store._engines.write.connect() as connection:
        connection.connection.execute("PRAGMA max_page_count = 1")  # SQLite takes it for the present size
    yield site, address
    site.store.close()


def test_full_disk_acknowledges_nothing(full: tuple[Site, str]) -> None:
    """Service ceilings section 8: no acknowledgement, 503."""
    site, _ = full
    with pytest.raises(UnavailableError) as refused:
        enrol_many(site)
    assert refused.value.code == "store.unavailable"


def test_full_disk_leaves_the_database_whole(full: tuple[Site, str]) -> None:
    site, address = full
    with pytest.raises(UnavailableError):
        enrol_many(site)
    with reading(address) as store:
        assert list(examine_database(store, decisions=10)) == []


def test_server_goes_on_by_itself_when_there_is_room_again(full: tuple[Site, str]) -> None:
    site, _ = full
    with pytest.raises(UnavailableError):
        enrol_many(site)
    site.store._engines.write.dispose()  # its connections had the bound
    assert asyncio.run(site.enrol(site.of("healthy")[-1])).body


def enrol_many(site: Site) -> None:
    """Enrol until there is no room; pages that are free already take the first ones."""
    for device in site.of("healthy")[:-1]:
        asyncio.run(site.enrol(device))


@pytest.fixture
def restarted(postgres_server: str) -> Iterator[tuple[Site, str, SimulatedDevice, bytes]]:
    """A site on PostgreSQL after the database has ended every connection, as it does when it restarts."""
    address = postgres.new_database(postgres_server)
    site = ready_site(address)
    device = site.of("healthy")[0]
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = address.partition("?")[0].rpartition("/")[2]
        end = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        assert len(connection.execute(end, {"name": name}).all()) >= 2
    engine.dispose()
    yield site, address, device, nonce
    site.store.close()


def attempts(site: Site, device: SimulatedDevice, nonce: bytes) -> list[str]:
    """Return how a device that calls again and again fares until it is answered."""
    heard: list[str] = []
    while len(heard) < ATTEMPTS and "ok" not in heard:
        try:
            asyncio.run(site.check_in(device, nonce))
            heard.append("ok")
        except PolicyEngineError as failure:
            heard.append(failure.code)
    return heard


def test_database_that_restarted_is_used_again_without_repair(
    restarted: tuple[Site, str, SimulatedDevice, bytes],
) -> None:
    """Service ceilings section 8: until then the device hears that storage is away, and nothing worse."""
    site, _, device, nonce = restarted
    heard = attempts(site, device, nonce)
    assert (heard[-1], set(heard[:-1]) <= {"store.unavailable"}) == ("ok", True), heard


def test_database_that_restarted_holds_one_whole_log(restarted: tuple[Site, str, SimulatedDevice, bytes]) -> None:
    site, address, device, nonce = restarted
    attempts(site, device, nonce)
    with reading(address) as store:
        assert list(examine_database(store, decisions=10)) == []
