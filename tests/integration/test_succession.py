"""Transfer, replacement and rekeying over a real database: history and lineage go on, what ended stays ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from policyengine.errors import PolicyEngineError
from policyengine.model.ids import DeviceId
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError
from policyengine.services.identification.enrolment_tokens import token_digest
from policyengine.services.ports import PageRequest
from policyengine.services.records import CertificateRecord, CertificateStatus, Lifecycle
from policyengine.simulation.device import SimulatedDevice, enrolment
from policyengine.simulation.fleet import manufacture
from tests.support.site import START, FakeEntropy, Site, announced, policies, ready_site, request, vendors

OPERATOR = Principal(name="Olga", role=PersonRole.OPERATIONS)
SECURITY = Principal(name="Sven", role=PersonRole.SECURITY)


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def enrolled(site: Site) -> SimulatedDevice:
    device = site.of("healthy")[0]
    asyncio.run(site.enrol(device))
    return device


def name_of(device: SimulatedDevice) -> DeviceId:
    return DeviceId(device.planned.device_id)


def lineage(site: Site, device: SimulatedDevice) -> list[CertificateRecord]:
    found = site.services.certificates.list(SYSTEM, PageRequest(), device_id=name_of(device)).items
    return sorted(found, key=lambda each: each.lineage)


def timeline(site: Site, device_id: str) -> list[str]:
    return [entry.summary for entry in site.services.devices.timeline(SYSTEM, DeviceId(device_id), PageRequest()).items]


def spare_for(site: Site, device: SimulatedDevice) -> DeviceId:
    """Announce a spare part of the same model, without a place, and return its id."""
    spare = replace(announced(device.planned), id="spare-1", serial="AC-99999999", site=None, zone=None, labels={})
    site.services.devices.announce(SYSTEM, [spare])
    return DeviceId("spare-1")


def new_board(device: SimulatedDevice) -> SimulatedDevice:
    """Return another board for `device`, with keys, an IDevID and a serial number that nobody announced."""
    planned = replace(device.planned, serial=f"{device.planned.serial[:3]}77777777")
    return manufacture([planned], vendors(), now=START, entropy=FakeEntropy(seed=31).draw)[0]


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(PolicyEngineError) as refused:
        act()
    return refused.value.code


def enrol_with(site: Site, board: SimulatedDevice, nonce: bytes) -> object:
    return asyncio.run(site.services.checkins.check_in(request(enrolment(board, nonce))))


def test_a_transferred_device_stands_in_its_new_zone(site: Site) -> None:
    device = enrolled(site)
    zones = policies()[1].bundle.fleet.zones
    zone = next(each for each in zones if each != device.planned.zone)
    site.services.succession.transfer(OPERATOR, name_of(device), site=None, zone=zone, reason="line rebuilt")
    view = site.store.view(name_of(device))
    assert (view.device.zone, view.device.site) == (zone, device.planned.site)


def test_a_transfer_says_from_where_to_where_and_why(site: Site) -> None:
    device = enrolled(site)
    zones = policies()[1].bundle.fleet.zones
    zone = next(each for each in zones if each != device.planned.zone)
    site.services.succession.transfer(OPERATOR, name_of(device), site=None, zone=zone, reason="line rebuilt")
    event = next(e for e in site.services.audit.events(SYSTEM, PageRequest()).items if e.action == "device.transfer")
    assert event.detail["to"] == [device.planned.site, zone]
    assert (event.actor, event.detail["reason"]) == ("Olga", "line rebuilt")


def test_a_device_is_not_transferred_to_where_it_stands(site: Site) -> None:
    device = enrolled(site)
    with pytest.raises(ConflictError) as refused:
        site.services.succession.transfer(OPERATOR, name_of(device), site=device.planned.site, zone=None, reason="x")
    assert refused.value.code == "device.place"


@pytest.mark.parametrize("place", [{"site": "atlantis", "zone": None}, {"site": None, "zone": None}])
def test_a_place_that_the_fleet_does_not_have_is_refused(site: Site, place: dict[str, str | None]) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        site.services.succession.transfer(OPERATOR, name_of(site.of("healthy")[0]), reason="x", **place)
    assert refused.value.code == "request.place"


def test_a_replacement_takes_the_place_of_the_old_device(site: Site) -> None:
    device = enrolled(site)
    spare = spare_for(site, device)
    site.services.succession.replace(OPERATOR, name_of(device), spare, reason="RMA 4711")
    new = site.store.view(spare).device
    assert (new.site, new.zone, new.criticality) == (device.planned.site, device.planned.zone, "medium")


def test_a_replaced_device_is_retired_and_nothing_of_it_identifies_it(site: Site) -> None:
    device = enrolled(site)
    site.services.succession.replace(OPERATOR, name_of(device), spare_for(site, device), reason="RMA 4711")
    assert site.store.view(name_of(device)).device.lifecycle is Lifecycle.RETIRED
    assert [(each.status, each.status_reason) for each in lineage(site, device)] == [
        (CertificateStatus.REVOKED, "cessationOfOperation")
    ]


def test_a_replacement_stands_on_the_timelines_of_both(site: Site) -> None:
    device = enrolled(site)
    spare = spare_for(site, device)
    site.services.succession.replace(OPERATOR, name_of(device), spare, reason="RMA 4711")
    assert "device.replaced" in timeline(site, name_of(device))
    assert "device.replaces" in timeline(site, spare)


def test_a_device_is_replaced_once(site: Site) -> None:
    device = enrolled(site)
    spare = spare_for(site, device)
    site.services.succession.replace(OPERATOR, name_of(device), spare, reason="RMA 4711")
    again = lambda: site.services.succession.replace(OPERATOR, name_of(device), spare, reason="RMA 4711")  # noqa: E731
    assert code_of(again) == "device.lifecycle"


def test_a_device_of_another_model_is_no_replacement(site: Site) -> None:
    old = site.of("healthy")[0]
    new = next(each for each in site.devices.values() if each.planned.model != old.planned.model)
    act = lambda: site.services.succession.replace(OPERATOR, name_of(old), name_of(new), reason="x")  # noqa: E731
    assert code_of(act) == "device.model"


def test_a_rekeyed_device_enrols_again_and_its_lineage_goes_on(site: Site) -> None:
    device = enrolled(site)
    board = new_board(device)
    site.services.succession.rekey(SECURITY, name_of(device), serial=board.planned.serial, reason="board swapped")
    reply = asyncio.run(site.enrol(board))
    assert json.loads(reply.body)["tier"] == "full"
    first, second = lineage(site, device)
    assert (first.status, first.status_reason) == (CertificateStatus.REVOKED, "superseded")
    assert (second.lineage, second.replaces, second.status) == (2, first.serial, CertificateStatus.GOOD)


def test_the_old_key_of_a_rekeyed_device_never_comes_back(site: Site) -> None:
    """Also where the board's serial number is the same: its key is refused, not only its number."""
    device = enrolled(site)
    site.services.succession.rekey(SECURITY, name_of(device), serial=None, reason="board swapped")
    assert code_of(lambda: asyncio.run(site.enrol(device))) == "identity.former-key"


def test_an_open_one_time_token_ends_with_the_key(site: Site) -> None:
    device = site.of("healthy")[0]
    token = site.services.devices.create_token(SYSTEM, name_of(device), lifetime=timedelta(days=7)).token
    asyncio.run(site.enrol(device))
    site.services.succession.rekey(SECURITY, name_of(device), serial=None, reason="board swapped")
    assert site.store.enrolment_token(token_digest(token)).redeemed_at is not None


def test_a_nonce_from_before_the_rekeying_enrols_nothing(site: Site) -> None:
    """The floor outlives the key: what was issued before the last check-in stays spent."""
    device = enrolled(site)
    early = site.services.challenges.issue(name_of(device)).nonce
    asyncio.run(site.check_in(device, site.services.challenges.issue(name_of(device)).nonce))
    board = new_board(device)
    site.services.succession.rekey(SECURITY, name_of(device), serial=board.planned.serial, reason="board swapped")
    assert code_of(lambda: enrol_with(site, board, early)) == "nonce.former"


def test_history_of_a_rekeyed_device_stays(site: Site) -> None:
    device = enrolled(site)
    before = timeline(site, name_of(device))
    site.services.succession.rekey(SECURITY, name_of(device), serial=None, reason="board swapped")
    after = timeline(site, name_of(device))
    assert "device.rekey" in after
    assert after[-len(before) :] == before, "nothing that stood there is gone or reads differently"


def test_a_serial_number_of_another_device_is_not_taken(site: Site) -> None:
    device = enrolled(site)
    others = [each.planned for each in site.devices.values() if each.planned.vendor == device.planned.vendor]
    taken = next(each.serial for each in others if each.serial != device.planned.serial)
    act = lambda: site.services.succession.rekey(SECURITY, name_of(device), serial=taken, reason="x")  # noqa: E731
    assert code_of(act) == "registry.conflict"


def test_operations_alone_does_not_rekey(site: Site) -> None:
    """Another key takes over an identity: that is for those who may revoke."""
    device = enrolled(site)
    with pytest.raises(ForbiddenError):
        site.services.succession.rekey(OPERATOR, name_of(device), serial=None, reason="x")


def test_a_device_that_never_enrolled_has_no_key_to_end(site: Site) -> None:
    device = site.of("healthy")[0]
    act = lambda: site.services.succession.rekey(SECURITY, name_of(device), serial=None, reason="x")  # noqa: E731
    assert code_of(act) == "device.lifecycle"
