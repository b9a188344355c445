"""What is remembered with a carried state never shows: a decision is the same as by a state that remembers nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from policyengine.decision.prior import carries_on, prior_of
from policyengine.decision.program import Program
from policyengine.decision.settled import MAX_SETTLED
from policyengine.model.decision import Decision, Prior, Result
from policyengine.model.facts import Facts, Source
from policyengine.model.policy import Action, EvidenceNeed, Mode
from tests.support.bundles import DAY, HOUR, NOW, binding, decide, facts, policy, program, rule, seen, waiver
from tests.unit.decision.test_program import BAD, GOOD, SECURE, TERMS

MOMENTS = [NOW - HOUR, NOW, NOW + HOUR, NOW + HOUR * 2, NOW + DAY * 2]


def deciding_again(compiled: Program, device: Facts, prior: Prior, moments: Sequence[datetime]) -> list[Decision]:
    return [decide(compiled, device, prior=prior, now=now) for now in moments]


def deciding_anew(compiled: Program, device: Facts, prior: Prior, moments: Sequence[datetime]) -> list[Decision]:
    return [decide(compiled, device, prior=replace(prior), now=now) for now in moments]


def waived() -> Program:
    found = rule(SECURE)
    return program(policy(found, waivers=TERMS), bindings=(binding(),), waivers=(waiver(found, expires=NOW + HOUR),))


def held() -> Program:
    return program(policy(rule(SECURE, evidence=EvidenceNeed(hold=HOUR))), bindings=(binding(),))


def fresh() -> Program:
    return program(
        policy(rule(SECURE, evidence=EvidenceNeed(minimum=Source.ATTESTED, fresh=HOUR))), bindings=(binding(),)
    )


@pytest.mark.parametrize("compiled", [waived(), held(), fresh()], ids=["waiver", "hold", "fresh"])
@pytest.mark.parametrize("values", [BAD, {}], ids=["failing", "absent"])
@pytest.mark.parametrize("second", [BAD, {}], ids=["failed", "unknown"])
@pytest.mark.parametrize("first", [GOOD, BAD, {}], ids=["passed", "failed", "unknown"])
def test_moment_at_which_a_finding_turns_is_not_missed(
    compiled: Program, values: dict[str, object], first: dict[str, object], second: dict[str, object]
) -> None:
    """DESIGN section 6: waivers and holds end by themselves, evidence grows old."""
    before = prior_of(decide(compiled, facts(first), now=NOW - HOUR))
    prior = prior_of(decide(compiled, facts(second), prior=before, now=NOW - HOUR / 2))
    device = facts(values)
    assert deciding_again(compiled, device, prior, MOMENTS) == deciding_anew(compiled, device, prior, MOMENTS)


def test_clock_that_goes_back_is_followed() -> None:
    """An unknown begins no later than now, whatever the carried state says."""
    compiled = program(policy(rule(SECURE)), bindings=(binding(),))
    prior = prior_of(decide(compiled, facts({}), now=NOW))
    back = [NOW + HOUR, NOW - HOUR]
    assert deciding_again(compiled, facts({}), prior, back) == deciding_anew(compiled, facts({}), prior, back)


def test_fact_that_is_refused_is_not_taken_for_one_that_is_absent() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(minimum=Source.ATTESTED))), bindings=(binding(),))
    prior = prior_of(decide(compiled, facts({}), now=NOW - HOUR))
    devices = [facts({}), facts(GOOD, boot=seen(Source.REPORTED)), facts({})]
    found = [decide(compiled, device, prior=prior).findings[0].reason for device in devices]
    assert found == ["fact.absent", "fact.weak", "fact.absent"]


@pytest.mark.parametrize("mode", list(Mode))
def test_remembered_finding_asks_for_the_same_action(mode: Mode) -> None:
    compiled = program(policy(rule(SECURE)), bindings=(binding(mode=mode, action=Action.LIMITED),))
    prior = prior_of(decide(compiled, facts(BAD), now=NOW - HOUR))
    again = deciding_again(compiled, facts(BAD), prior, [NOW, NOW])
    assert again == deciding_anew(compiled, facts(BAD), prior, [NOW, NOW])


def test_bundle_that_is_replaced_does_not_answer_for_the_next() -> None:
    old, new = (program(policy(rule(SECURE)), bindings=(binding(mode=mode),)) for mode in (Mode.AUDIT, Mode.ENFORCE))
    prior = prior_of(decide(old, facts(BAD), now=NOW - HOUR))
    found = [decide(compiled, facts(BAD), prior=prior).findings[0].mode for compiled in (old, new, old)]
    assert found == [Mode.AUDIT, Mode.ENFORCE, Mode.AUDIT]


def test_what_is_remembered_is_bounded() -> None:
    prior = prior_of(decide(held(), facts(BAD), now=NOW - HOUR))
    for _ in range(MAX_SETTLED + 10):
        decide(program(policy(rule(SECURE)), bindings=(binding(),)), facts(BAD), prior=prior)
    assert 0 < len(prior.settled) <= MAX_SETTLED


def test_failure_of_last_week_is_made_once() -> None:
    compiled = program(policy(rule(SECURE)), bindings=(binding(),))
    prior = prior_of(decide(compiled, facts(BAD), now=NOW - timedelta(days=7)))
    first, second = deciding_again(compiled, facts(BAD), prior, [NOW, NOW + HOUR])
    assert (first.findings[0].result, first.findings[0] is second.findings[0]) == (Result.FAIL, True)


def test_decisions_that_come_to_the_same_share_their_findings() -> None:
    compiled = program(policy(rule(SECURE)), bindings=(binding(),))
    prior = prior_of(decide(compiled, facts(BAD), now=NOW - DAY))
    first, second = deciding_again(compiled, facts(BAD), prior, [NOW, NOW + HOUR])
    assert first.findings is second.findings


def test_what_one_decision_carries_on_is_not_said_of_another() -> None:
    """The answer is kept with the carried state, by the findings that it was given for."""
    compiled = program(policy(rule(SECURE)), bindings=(binding(),))
    before = prior_of(decide(compiled, facts(GOOD), now=NOW - HOUR))
    again = [decide(compiled, facts(values), prior=before) for values in (GOOD, BAD, GOOD)]
    assert [carries_on(decision, before) for decision in again] == [True, False, True]
