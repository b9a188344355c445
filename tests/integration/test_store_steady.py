"""Check-ins that change nothing, and what a device hears of the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from policyengine.model.decision import Tier
from policyengine.services.actors import SYSTEM
from policyengine.services.nonces import device_tag
from policyengine.services.records import DeviceView
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, next_nonce, put_in_force, ready_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = ready_site(f"sqlite:///{tmp_path / 'store.db'}")
    yield made
    made.store.close()


def settled(site: Site, device: SimulatedDevice) -> bytes:
    """Enrol and check in until nothing changes any more, and return the next nonce."""
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    for _ in range(2):
        nonce = next_nonce(asyncio.run(site.check_in(device, nonce)))
    return nonce


def test_decision_of_a_steady_check_in_is_there_in_full_for_whoever_asks(site: Site) -> None:
    device = site.of("healthy")[0]
    reply = asyncio.run(site.check_in(device, settled(site, device)))
    assert site.store.decision(reply.decision_id) is None  # nothing changed, so the history has no row of it
    recorded = json.loads(site.services.audit.decision(SYSTEM, reply.decision_id))
    assert (recorded["decision_id"], len(recorded["findings"]) > 30) == (reply.decision_id, True)


def test_device_is_told_what_did_not_pass_and_not_what_is_only_audited(site: Site) -> None:
    """DESIGN section 6: `audit` records, `warn` also tells device and channel."""
    reply = asyncio.run(site.enrol(site.of("debug")[0]))
    told = json.loads(reply.body)["findings"]
    assert {finding["mode"] for finding in told} <= {"warn", "enforce"}
    assert {finding["result"] for finding in told} == {"fail"}


def test_new_bundle_is_decided_in_full_even_if_every_rule_says_the_same(site: Site) -> None:
    """Every decision names its bundle, and the history has the first one of each."""
    device = site.of("healthy")[0]
    nonce = settled(site, device)
    changed = put_in_force(site, it__cleartext=(b"severity: high", b"severity: critical"))
    reply = asyncio.run(site.check_in(device, nonce))
    state = site.store.view(device.planned.device_id).state
    assert (state.bundle, state.tier, site.store.decision(reply.decision_id) is not None) == (changed, Tier.FULL, True)


def test_devices_that_call_together_are_each_read_as_alone(database: str) -> None:
    """On a database server their rows come by one read, on an embedded database one by one."""
    site = ready_site(database)
    devices = site.of("healthy")[:3]
    for device in devices:
        asyncio.run(site.enrol(device))
    tags = [device_tag(device.planned.device_id) for device in devices]

    async def together() -> list[DeviceView | None]:
        return list(await asyncio.gather(*map(site.store.view_at_check_in, [*tags, bytes(16)])))

    found, alone = asyncio.run(together()), [site.store.view_by_tag(tag) for tag in tags]
    site.store.close()
    assert found == [*alone, None]
