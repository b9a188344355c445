"""EST requests that are at hand together go through each step together, and nothing moves under them meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from pki.certificates import load_certificate
from policyengine.model.ids import Digest
from policyengine.services.checkins.settling import Issued
from policyengine.services.identification.est_identity import Credentials
from policyengine.simulation.device import SimulatedDevice, certificate_request
from tests.support.site import FakeClock, Site, open_site, put_in_force, ready_site

AT_ONCE = 8


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = ready_site(f"sqlite:///{tmp_path_factory.mktemp('est') / 'store.db'}", count=40)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def devices(site: Site) -> list[SimulatedDevice]:
    """Devices that have checked in with evidence, so that they may enrol over EST."""
    found = site.of("healthy")[:AT_ONCE]
    assert len(found) == AT_ONCE

    async def check_ins() -> None:
        for device in found:
            await site.enrol(device)

    asyncio.run(check_ins())
    return found


def shown(device: SimulatedDevice) -> Credentials:
    return Credentials(certificates=device.chain)


async def enrol(site: Site, device: SimulatedDevice) -> Issued:
    csr = certificate_request(device, device.operational_key)
    answer = await site.services.est.enrol(csr, shown(device), label=None)
    assert isinstance(answer, Issued)
    return answer


def at_once(site: Site, devices: list[SimulatedDevice]) -> list[Issued]:
    async def together() -> list[Issued]:
        return list(await asyncio.gather(*(enrol(site, device) for device in devices)))

    return asyncio.run(together())


def serial(answer: Issued) -> str:
    return f"{load_certificate(answer.certificate).serial_number:x}"


def decided_under(site: Site, answer: Issued) -> Digest:
    """Return the bundle that the decision behind a certificate names."""
    record = site.store.certificate(serial(answer))
    assert record is not None
    decision = site.store.decision(record.decision_id)
    assert decision is not None
    return decision.bundle


def test_requests_at_hand_together_each_get_their_own_certificate(site: Site, devices: list[SimulatedDevice]) -> None:
    answers = at_once(site, devices)
    assert [answer.device_id for answer in answers] == [device.planned.device_id for device in devices]
    assert len({answer.certificate for answer in answers}) == AT_ONCE


def test_requests_of_one_device_at_hand_together_follow_each_other(site: Site, devices: list[SimulatedDevice]) -> None:
    """The later one is decided again on what the earlier one left: one lineage, no fork (docs/adr/0007)."""
    answers = at_once(site, [devices[0], devices[0]])
    records = [site.store.certificate(serial(answer)) for answer in answers]
    lineages = [record.lineage for record in records if record is not None]
    assert lineages[0] != lineages[1]


def test_decisions_made_in_turns_come_out_the_same_again(site: Site, devices: list[SimulatedDevice]) -> None:
    at_once(site, devices)
    report = site.services.audit.replay()
    assert (report.checked >= AT_ONCE, report.differences) == (True, ())


def test_one_generation_both_identifies_and_decides(site: Site, devices: list[SimulatedDevice]) -> None:
    """A device that another process decided by a newer generation is identified by that one too."""
    device = devices[0]
    another = open_site(str(site.store._engines.read.url), clock=FakeClock(site.clock.time), seed=8)
    newer = put_in_force(another, fleet=(b"unknown: refuse", b"unknown: pending"))
    asyncio.run(enrol(another, device))
    another.store.close()
    # A process looks for another generation once a second, and no second has passed on this one's clock.
    assert decided_under(site, asyncio.run(enrol(site, device))) == newer
