"""Counters of a device never go back, whatever the storage: kept with its state, in the transaction of the check-in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import cbor2
import pytest

from policyengine.model.ids import device_id
from policyengine.services.checkins.checkin import CheckInReply, CheckInRequest, EvidenceItem
from policyengine.services.errors import RefusedError
from policyengine.simulation.cose import cose_sign1
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, next_nonce, ready_site

EAT = "application/eat+cwt"


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def booted(site: Site, device: SimulatedDevice, nonce: bytes, count: int | None) -> CheckInReply:
    """Return the reply to an EAT by the device's key that says how often it booted (RFC 9711 section 4.2.12)."""
    claims: dict[int, object] = {10: nonce, 265: "tag:example.com,2026:boot"}
    if count is not None:
        claims[267] = count
    token = cose_sign1(device.identity_key, cbor2.dumps(claims))
    items = (EvidenceItem(media_type=EAT, value=token),)
    asked = CheckInRequest(nonce=nonce, evidence=items, digest=nonce[:32])
    return asyncio.run(site.services.checkins.check_in(asked))


@pytest.fixture
def device(site: Site) -> SimulatedDevice:
    return site.of("healthy")[0]


@pytest.fixture
def nonce(site: Site, device: SimulatedDevice) -> bytes:
    return next_nonce(asyncio.run(site.enrol(device)))


def test_a_counter_that_grows_or_stays_is_believed(site: Site, device: SimulatedDevice, nonce: bytes) -> None:
    for count in (7, 7, 8):
        nonce = next_nonce(booted(site, device, nonce, count))


def test_a_counter_that_goes_back_is_refused_and_nothing_is_stored(
    site: Site, device: SimulatedDevice, nonce: bytes
) -> None:
    """RFC 9711 section 4.2.12: bootcount only grows. The nonce is not spent, so the true count still passes."""
    nonce = next_nonce(booted(site, device, nonce, 7))
    with pytest.raises(RefusedError) as caught:
        booted(site, device, nonce, 6)
    assert caught.value.fields["check"] == "eat.boot-count"
    booted(site, device, nonce, 7)


def test_evidence_without_the_counter_does_not_make_it_forgotten(
    site: Site, device: SimulatedDevice, nonce: bytes
) -> None:
    nonce = next_nonce(booted(site, device, nonce, 7))
    nonce = next_nonce(booted(site, device, nonce, None))
    with pytest.raises(RefusedError, match="went back"):
        booted(site, device, nonce, 6)


def test_a_device_that_is_decided_again_in_its_silence_keeps_its_counters(
    site: Site, device: SimulatedDevice, nonce: bytes
) -> None:
    nonce = next_nonce(booted(site, device, nonce, 7))
    site.clock.forward(timedelta(hours=30))
    site.services.sweep.run()
    bound = site.services.challenges.issue(device_id(device.planned.device_id)).nonce
    with pytest.raises(RefusedError, match="went back"):
        booted(site, device, bound, 6)
