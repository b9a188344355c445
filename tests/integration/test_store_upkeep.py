"""What guards single use over time: spent nonces are forgotten when they cannot matter, floors follow a set clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from policyengine.adapters.sql import tables
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ForbiddenError, RefusedError
from policyengine.services.nonces import CHALLENGE_LIFETIME
from policyengine.services.ports import PageRequest
from policyengine.services.registry.sweep import SPENT_KEPT
from policyengine.simulation import device as simulated
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import NONCE_KEY, Site, next_nonce, open_site, ready_site, request

DAY = timedelta(days=1)


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def spent(site: Site) -> int:
    with site.store._engines.read.connect() as connection:
        return connection.execute(select(func.count()).select_from(tables.spent_nonce)).scalar_one()


def test_spent_nonces_are_forgotten_a_day_after_they_expired_in_batches(site: Site) -> None:
    for device in site.of("healthy")[:5]:
        asyncio.run(site.enrol(device))
    site.clock.forward(CHALLENGE_LIFETIME + SPENT_KEPT)
    counts = [site.services.sweep.prune(limit=2) for _ in range(4)]
    assert (counts, spent(site)) == ([2, 2, 1, 0], 0)


def test_spent_nonce_is_kept_as_long_as_a_clock_put_back_could_bring_it_to_life(site: Site) -> None:
    device = site.of("healthy")[0]
    nonce = site.challenge()
    asyncio.run(site.services.checkins.check_in(request(simulated.enrolment(device, nonce))))
    site.clock.forward(CHALLENGE_LIFETIME + SPENT_KEPT - timedelta(seconds=1))
    site.services.sweep.prune()
    site.clock.forward(-CHALLENGE_LIFETIME - SPENT_KEPT + timedelta(seconds=2))
    other = site.of("healthy")[1]
    with pytest.raises(RefusedError) as caught:
        asyncio.run(site.services.checkins.check_in(request(simulated.enrolment(other, nonce))))
    assert caught.value.code == "nonce.spent"


def checked_in_ahead(site: Site) -> tuple[SimulatedDevice, bytes, bytes]:
    """Enrol a device, check it in while the clock is a day ahead; return it, the nonce it spent, and the next."""
    device = site.of("healthy")[0]
    asyncio.run(site.enrol(device))
    site.clock.forward(DAY)
    nonce = site.services.challenges.issue(device.planned.device_id).nonce
    following = next_nonce(asyncio.run(site.check_in(device, nonce)))
    site.clock.forward(-DAY)
    return device, nonce, following


def refusal(site: Site, device: SimulatedDevice, nonce: bytes) -> str:
    with pytest.raises(RefusedError) as caught:
        asyncio.run(site.check_in(device, nonce))
    return caught.value.code


def test_device_that_checked_in_while_the_clock_was_ahead_is_refused_until_time_catches_up(site: Site) -> None:
    device, _, _ = checked_in_ahead(site)
    assert refusal(site, device, site.services.challenges.issue(device.planned.device_id).nonce) == "nonce.spent"


@pytest.fixture
def mended(site: Site, database: str) -> Iterator[tuple[Site, SimulatedDevice, bytes, bytes]]:
    """The site after `device reset-floors`: a new epoch, then lower floors."""
    device, nonce, following = checked_in_ahead(site)
    again = open_site(database, clock=site.clock, nonce_key=replace(NONCE_KEY, epoch=NONCE_KEY.epoch + 1))
    assert again.services.devices.lower_floors(SYSTEM, reason="clock of the host was a day ahead") == 1
    yield again, device, nonce, following
    again.store.close()


def test_lowered_floor_lets_the_device_check_in_with_a_new_challenge(
    mended: tuple[Site, SimulatedDevice, bytes, bytes],
) -> None:
    site, device, _, _ = mended
    reply = asyncio.run(site.check_in(device, site.services.challenges.issue(device.planned.device_id).nonce))
    assert not reply.repeated


def test_nonces_from_ahead_stay_dead_after_floors_were_lowered(
    mended: tuple[Site, SimulatedDevice, bytes, bytes],
) -> None:
    """A spent nonce never works twice: not the one spent ahead, not the unspent one, not when their time has come."""
    site, device, nonce, following = mended
    site.clock.forward(DAY + timedelta(seconds=2))
    assert {refusal(site, device, nonce), refusal(site, device, following)} == {"nonce.foreign"}


def test_lowering_floors_names_its_actor_and_how_many_devices(
    mended: tuple[Site, SimulatedDevice, bytes, bytes],
) -> None:
    event = mended[0].services.audit.events(SYSTEM, PageRequest()).items[0]
    assert (event.actor, event.action, event.detail["devices"]) == ("system", "device.lower-floors", 1)


def test_floors_that_are_not_ahead_stay(site: Site) -> None:
    asyncio.run(site.enrol(site.of("healthy")[0]))
    assert site.services.devices.lower_floors(SYSTEM, reason="to be sure") == 0


@pytest.mark.parametrize("role", [role for role in PersonRole if role is not PersonRole.ADMIN])
def test_only_an_admin_lowers_floors(site: Site, role: PersonRole) -> None:
    with pytest.raises(ForbiddenError):
        site.services.devices.lower_floors(Principal(name="Olga", role=role), reason="")
