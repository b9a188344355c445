"""Steady check-ins: what is decided without findings is exactly what would be decided with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from policyengine.model.decision import Tier
from policyengine.model.policy import Phase
from policyengine.services.actors import SYSTEM
from policyengine.services.gathering import Context, gather_again
from policyengine.services.judging import Memory, judge, judge_steady
from policyengine.services.policies import PolicyShelf
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


@pytest.mark.parametrize("hours", [0, 1, 23, 24, 25, 71, 72, 73, 24 * 9, 24 * 40])
@pytest.mark.parametrize("scenario", ["healthy", "silent", "tampered", "debug"])
def test_steady_decision_equals_the_one_with_findings(site: Site, scenario: str, hours: int) -> None:
    """At every age of the last evidence: same id, tier, validity, verdicts and carried state, or not steady at all."""
    device = site.of(scenario)[0]
    settled(site, device)
    view = site.store.view(device.planned.device_id)
    state = view.state
    site.clock.forward(timedelta(hours=hours))
    now = site.clock.now()
    shelf, memory = PolicyShelf(site.store, site.clock), Memory(site.store)
    policies = shelf.active().policies
    context = Context(
        view=view,
        identity_kind=state.identity_kind,
        key_reuse=view.key_reuse,
        last_seen=state.last_seen,
        bundle=policies.bundle,
        ca=site.services.checkins._with.issuance.facts,
        now=now,
    )
    facts = gather_again(memory.facts(state.facts_shared, state.facts_own, policies=policies), context)
    prior = memory.prior(state.prior)
    full = judge(policies, facts, prior=prior, now=now, phase=Phase.OPERATE)
    steady = judge_steady(policies, facts, prior=prior, before=state, now=now, phase=Phase.OPERATE)
    if steady is not None:
        of_both = [
            (one.id, one.decision.decided_tier, one.decision.tier, one.decision.valid_until, one.prior, one.passed)
            for one in (full, steady)
        ]
        assert of_both[0] == of_both[1]
        assert (full.verdicts_digest, full.told()) == (steady.verdicts_digest, "")
    elif scenario == "healthy" and hours == 0:
        pytest.fail("a healthy device's next moment is not steady")


def test_decision_of_a_steady_check_in_is_there_in_full_for_whoever_asks(site: Site) -> None:
    device = site.of("healthy")[0]
    reply = asyncio.run(site.check_in(device, settled(site, device)))
    assert site.store.view(device.planned.device_id).state.document_digest is None
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
