"""Races over a real database: whoever loses is refused alone, and nothing happens twice."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from policyengine.errors import PolicyEngineError
from policyengine.model.decision import Tier
from policyengine.services.actors import SYSTEM
from policyengine.services.checkins.checkin import CheckInReply, CheckInRequest
from policyengine.simulation import device as simulated
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, next_nonce, open_site, ready_site, request

PARALLEL = 50
TURNS = 8  # of a check-in before it submits its change


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


async def outcome(site: Site, asked: CheckInRequest) -> CheckInReply | str:
    try:
        return await site.services.checkins.check_in(asked)
    except PolicyEngineError as refusal:
        return refusal.code


async def all_at_once(site: Site, asked: list[CheckInRequest]) -> list[CheckInReply | str]:
    return list(await asyncio.gather(*(outcome(site, one) for one in asked)))


def count(site: Site, table: str, where: str) -> int:
    with site.store._engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())


def varied(body: dict[str, object], number: int) -> CheckInRequest:
    """Return the same evidence in a request that is not byte-identical."""
    return replace(request(body), digest=number.to_bytes(32, "big"))


def test_same_evidence_fifty_times_at_once_is_accepted_once(site: Site) -> None:
    """Service ceilings section 7, line 4."""
    device = site.of("healthy")[0]
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    version = site.store.view(device.planned.device_id).state.version
    body = dict(simulated.check_in(device, nonce))
    found = asyncio.run(all_at_once(site, [varied(body, number) for number in range(PARALLEL)]))
    accepted = [one for one in found if isinstance(one, CheckInReply)]
    assert (len(accepted), Counter(one for one in found if isinstance(one, str))) == (
        1,
        Counter({"nonce.spent": PARALLEL - 1}),
    )
    assert site.store.view(device.planned.device_id).state.version == version + 1


def test_byte_identical_requests_at_once_all_get_the_one_reply(site: Site) -> None:
    device = site.of("healthy")[0]
    asked = request(simulated.enrolment(device, site.challenge()))
    found = asyncio.run(all_at_once(site, [asked] * 20))
    bodies = {one.body for one in found if isinstance(one, CheckInReply)}
    assert (len(bodies), {type(one) for one in found}) == (1, {CheckInReply})


def test_device_that_enrols_many_times_at_once_enrols_once(site: Site) -> None:
    """The others are check-ins of the enrolled device or refused; no reservation stays open."""
    device = site.of("healthy")[0]
    requests = [request(simulated.enrolment(device, site.challenge())) for _ in range(10)]
    asyncio.run(all_at_once(site, requests))
    assert count(site, "log_leaf", "kind = 'enrolment'") == 1
    assert count(site, "certificate", "state = 'reserved'") == 0


def test_quarantine_between_the_steps_of_a_check_in_holds(site: Site) -> None:
    """What a step has read is trusted only as far as the change is guarded (docs/adr/0039)."""
    device = site.of("healthy")[0]
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    name = device.planned.device_id

    async def quarantined_after(turns: int, nonce: bytes) -> CheckInReply:
        checking = asyncio.ensure_future(site.services.checkins.check_in(request(simulated.check_in(device, nonce))))
        for _ in range(turns):
            await asyncio.sleep(0)
        site.services.devices.quarantine(SYSTEM, name, reason="odd smell")
        return await checking

    for turns in range(1, TURNS):
        found = asyncio.run(quarantined_after(turns, nonce))
        assert found.tier is Tier.QUARANTINE
        nonce = next_nonce(found)
        site.services.devices.release(SYSTEM, name, reason="aired")


def test_one_time_token_redeemed_fifty_times_at_once_enrols_once(site: Site) -> None:
    """Service ceilings section 7, line 41: 50 parallel redemptions, exactly one certificate."""
    device = site.of("healthy")[0]
    token = site.services.devices.create_token(SYSTEM, device.planned.device_id, lifetime=timedelta(days=1)).token
    requests = [by_token(site, device, token, number) for number in range(PARALLEL)]
    found = asyncio.run(all_at_once(site, requests))
    accepted = [one for one in found if isinstance(one, CheckInReply)]
    assert len(accepted) == 1
    assert count(site, "certificate", "state = 'issued'") == 1
    assert count(site, "certificate", "state = 'reserved'") == 0


def by_token(site: Site, device: SimulatedDevice, token: str, number: int) -> CheckInRequest:
    body = dict(simulated.enrolment(device, site.challenge()))
    evidence = body["evidence"]
    assert isinstance(evidence, list)
    body["evidence"] = evidence[1:]  # no proof of possession: the token says who it is
    key = device.identity_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return replace(varied(body, number), token=token, key=key)


def test_one_time_token_of_another_device_is_refused(site: Site) -> None:
    first, second = site.of("healthy")[:2]
    token = site.services.devices.create_token(SYSTEM, first.planned.device_id, lifetime=timedelta(days=1)).token
    asyncio.run(site.services.checkins.check_in(by_token(site, first, token, 1)))
    assert asyncio.run(outcome(site, by_token(site, second, token, 2))) == "enrolment.token"
    assert site.store.view(second.planned.device_id).state is None


def test_lost_race_refuses_itself_only(site: Site) -> None:
    """Neighbours of a refused change in the same commit batch are recorded."""
    devices = site.of("healthy")[:8]
    nonces = [next_nonce(asyncio.run(site.enrol(device))) for device in devices]
    bodies = [dict(simulated.check_in(device, nonce)) for device, nonce in zip(devices, nonces, strict=True)]
    doubled = [varied(body, number) for body in bodies for number in (1, 2)]
    found = asyncio.run(all_at_once(site, doubled))
    assert sum(isinstance(one, CheckInReply) for one in found) == len(devices)


def test_two_processes_on_one_database_keep_one_gapless_log(site: Site, database: str) -> None:
    """Two writers, each with its own queue: indexes contiguous, no device written twice for one nonce."""
    other = open_site(database, clock=site.clock, seed=8)
    devices = site.of("healthy")[:10]

    async def both() -> list[CheckInReply | str]:
        first = (outcome(site, request(simulated.enrolment(device, site.challenge()))) for device in devices)
        second = (outcome(other, request(simulated.enrolment(device, other.challenge()))) for device in devices)
        return list(await asyncio.gather(*first, *second))

    try:
        asyncio.run(both())
    finally:
        other.store.close()
    with site.store._engine.connect() as connection:
        indexes = [row[0] for row in connection.execute(text("SELECT log_index FROM log_leaf ORDER BY log_index"))]
    assert indexes == list(range(len(indexes)))
    assert count(site, "log_leaf", "kind = 'enrolment'") == len(devices)
    assert site.services.audit.replay().differences == ()


def test_nonce_in_another_base64_spelling_is_the_same_nonce(site: Site) -> None:
    """OpenBao CVE-2025-55000: what is compared is bytes, so spelling cannot make a nonce new."""
    device = site.of("healthy")[0]
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    asyncio.run(site.check_in(device, nonce))
    spelled = base64.urlsafe_b64decode(base64.b64encode(nonce).replace(b"+", b"-").replace(b"/", b"_"))
    body = {**simulated.check_in(device, spelled), "reported": {}}
    assert asyncio.run(outcome(site, request(json.loads(json.dumps(body))))) == "nonce.spent"
