"""PostgreSQL fails: an answer to COMMIT is lost, a standby without the last rows takes over, the schema moves on.

Service ceilings section 8. What was acknowledged is there, what was not may be asked for again, and no log is forked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from policyengine.adapters.examination import examine_database, reading
from policyengine.adapters.sql.migration import needed_revision
from policyengine.services.checkins.checkin import CheckInRequest
from policyengine.services.errors import UnavailableError
from policyengine.services.history.log import ForkError
from policyengine.simulation import device as simulated
from tests.integration.cut_wire import CutWire, cut_wire
from tests.support import postgres
from tests.support.site import Site, memory_of, next_nonce, open_site, ready_site, request

pytestmark = pytest.mark.xdist_group("postgresql")


@pytest.fixture(scope="module")
def wired(postgres_server: str) -> Iterator[tuple[Site, CutWire, str]]:
    """A site whose wire to PostgreSQL can be cut, and the database's own address; each test has devices of its own."""
    address = postgres.new_database(postgres_server)
    with cut_wire(address) as (by_wire, wire):
        site = ready_site(by_wire)
        yield site, wire, address
        site.store.close()


def unheard(site: Site, wire: CutWire, asked: CheckInRequest) -> None:
    """Check in; it is committed, and the answer to COMMIT is lost."""
    wire.cuts = 1
    with pytest.raises(UnavailableError) as caught:
        asyncio.run(site.services.checkins.check_in(asked))
    assert (caught.value.code, wire.cuts) == ("store.unavailable", 0)


def of_a_known_device(site: Site, at: int) -> CheckInRequest:
    device = site.of("healthy")[at]
    return request(simulated.check_in(device, next_nonce(asyncio.run(site.enrol(device)))))


def of_a_new_device(site: Site, at: int) -> CheckInRequest:
    return request(simulated.enrolment(site.of("healthy")[at], site.challenge()))


def test_check_in_whose_commit_went_unheard_is_answered_when_it_is_sent_again(
    wired: tuple[Site, CutWire, str],
) -> None:
    """It was stored: the stored reply comes, and nothing is decided or logged a second time."""
    site, wire, _ = wired
    asked = of_a_known_device(site, 0)
    unheard(site, wire, asked)
    size = site.store.log_head().size
    reply = asyncio.run(site.services.checkins.check_in(asked))
    assert (reply.repeated, site.store.log_head().size) == (True, size)


def test_enrolment_whose_commit_went_unheard_gives_one_certificate(wired: tuple[Site, CutWire, str]) -> None:
    """The commit of the reservation is the one that is lost: what was not heard of is never signed."""
    site, wire, _ = wired
    asked = of_a_new_device(site, 1)
    unheard(site, wire, asked)
    assert asyncio.run(site.services.checkins.check_in(asked)).body
    device = site.of("healthy")[1].planned.device_id
    assert [each.state for each in states(site, device)].count("issued") == 1


def test_log_is_whole_after_commits_went_unheard(wired: tuple[Site, CutWire, str]) -> None:
    site, wire, address = wired
    for asked in (of_a_known_device(site, 2), of_a_new_device(site, 3)):
        unheard(site, wire, asked)
        asyncio.run(site.services.checkins.check_in(asked))
    with reading(address) as store:
        assert list(examine_database(store, decisions=20)) == []


def states(site: Site, device: str) -> list:  # type: ignore[type-arg]  # rows of SQLAlchemy
    with site.store._engines.read.connect() as connection:
        clause = text("SELECT state FROM certificate WHERE device_id = :device")
        return list(connection.execute(clause, {"device": device}))


@pytest.fixture(scope="module")
def failed_over(postgres_server: str) -> Iterator[Site]:
    """A site on a standby that lacks what its primary committed, and signed, last."""
    address = postgres.new_database(postgres_server)
    site = ready_site(address)
    asyncio.run(site.enrol(site.of("healthy")[0]))
    site.services.log.sealed()
    site.store.close()
    standby = copied(postgres_server, address)
    site = open_site(address, clock=site.clock, seed=8)
    asyncio.run(site.enrol(site.of("healthy")[1]))
    memory_of(standby).last = site.services.log.sealed()
    site.store.close()
    site = open_site(standby, clock=site.clock, seed=9)
    yield site
    site.store.close()


def copied(server: str, address: str) -> str:
    """Return the address of a database with the rows that the one at `address` has now."""
    standby = postgres.new_database(server)
    before, after = (each.partition("?")[0].rpartition("/")[2] for each in (address, standby))
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{after}"'))
        connection.execute(text(f'CREATE DATABASE "{after}" TEMPLATE "{before}"'))
    engine.dispose()
    return standby


def test_standby_that_lacks_signed_leaves_signs_nothing(failed_over: Site) -> None:
    """A published checkpoint stays a prefix of the log, or nothing is signed and somebody hears of it."""
    with pytest.raises(ForkError):
        failed_over.services.log.checkpoint()


def test_standby_still_signs_nothing_when_it_has_grown_as_long(failed_over: Site) -> None:
    """Other leaves in the places of those that were signed: as many do not make them the same."""
    for device in failed_over.of("healthy")[2:5]:
        asyncio.run(failed_over.enrol(device))
    with pytest.raises(ForkError, match="not those that were signed"):
        failed_over.services.log.checkpoint()


def test_device_whose_enrolment_the_standby_lacks_enrols_again(failed_over: Site) -> None:
    assert asyncio.run(failed_over.enrol(failed_over.of("healthy")[1])).body


@pytest.fixture
def moved_on(wired: tuple[Site, CutWire, str]) -> Iterator[Site]:
    """A running server whose database somebody brought to a schema of a later version."""
    site, _, _ = wired
    move_schema(site, "9999")
    yield site
    move_schema(site, needed_revision())


def move_schema(site: Site, revision: str) -> None:
    with site.store._engines.write.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_server_writes_nothing_into_a_later_schema(moved_on: Site) -> None:
    """Upgrade with mixed versions: the older server refuses what it cannot serve, and says what it is."""
    with pytest.raises(UnavailableError) as caught:
        asyncio.run(moved_on.services.checkins.check_in(of_a_new_device(moved_on, 4)))
    assert caught.value.code == "store.schema"


def test_server_on_a_later_schema_is_not_ready(moved_on: Site) -> None:
    health = moved_on.services.health.check()
    assert (health.ready, health.problems) == (False, ("store.schema",))


def test_server_goes_on_when_the_schema_is_its_own_again(moved_on: Site) -> None:
    """A rolled back upgrade needs no restart."""
    asked = of_a_new_device(moved_on, 5)
    with pytest.raises(UnavailableError):
        asyncio.run(moved_on.services.checkins.check_in(asked))
    move_schema(moved_on, needed_revision())
    assert asyncio.run(moved_on.services.checkins.check_in(asked)).body
