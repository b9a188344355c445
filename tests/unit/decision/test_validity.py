"""`valid_until`: the next moment at which time alone could change a decision (DESIGN section 6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from policyengine.decision.prior import prior_of
from policyengine.decision.program import NOW_RECHECK
from policyengine.model.expression import Node
from policyengine.model.policy import EvidenceNeed, WaiverTerms
from policyengine.model.types import DURATION, INT, TIMESTAMP
from tests.support import ir
from tests.support.bundles import DAY, HOUR, NOW, binding, decide, facts, policy, program, rule, seen, waiver

SECURE = ir.fact("boot.secure")
GOOD = {"boot": {"secure": True}}
END = NOW + 10 * DAY
NOT_AFTER = ir.fact("cert.not_after")
TICK = timedelta(microseconds=1)


def test_a_decision_that_time_cannot_change_stays_valid() -> None:
    assert decide(program(policy(rule(SECURE))), facts(GOOD)).valid_until is None


def test_a_decision_ends_when_its_oldest_fact_does() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(fresh=DAY))))
    assert decide(compiled, facts(GOOD, boot=seen(age=HOUR))).valid_until == NOW + DAY - HOUR


def test_a_fact_that_no_rule_reads_ends_nothing() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(fresh=DAY))))
    device = facts({**GOOD, "net": {"open_ports": (1,)}}, boot=seen(age=HOUR), net=seen(age=23 * HOUR))
    assert decide(compiled, device).valid_until == NOW + DAY - HOUR


def test_a_fact_from_the_future_is_looked_at_again_when_its_time_comes() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(fresh=DAY))))
    assert decide(compiled, facts(GOOD, boot=seen(age=-HOUR))).valid_until == NOW + HOUR


def test_a_decision_ends_with_the_waiver_it_rests_on() -> None:
    failing = rule(SECURE)
    terms = WaiverTerms(maximum=30 * DAY, approvals=())
    compiled = program(policy(failing, waivers=terms), waivers=(waiver(failing, expires=NOW + DAY),))
    assert decide(compiled, facts({"boot": {"secure": False}})).valid_until == NOW + DAY


def test_a_decision_ends_with_its_hold() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(hold=DAY))), bindings=(binding(),))
    before = decide(compiled, facts(GOOD), now=NOW - HOUR)
    assert decide(compiled, facts({}), prior=prior_of(before)).valid_until == NOW + DAY


LEFT = ir.minus(NOT_AFTER, ir.now)
DAY_LONG = ir.duration("24h")


@pytest.mark.parametrize(
    ("condition", "flip"),
    [
        (ir.gt(NOT_AFTER, ir.now), END),
        (ir.lt(ir.now, NOT_AFTER), END),
        (ir.ge(NOT_AFTER, ir.now), END),
        (ir.gt(LEFT, DAY_LONG), END - DAY),
        (ir.lt(DAY_LONG, LEFT), END - DAY),
        (ir.lt(ir.minus(ir.now, NOT_AFTER), DAY_LONG), END + DAY),
        (ir.gt(NOT_AFTER, ir.minus(ir.now, DAY_LONG)), END + DAY),
        (ir.gt(NOT_AFTER, ir.plus(ir.now, DAY_LONG)), END - DAY),
        (ir.let("left", LEFT, ir.gt(ir.var("left", DURATION), DAY_LONG)), END - DAY),
        (ir.let("day", DAY_LONG, ir.gt(LEFT, ir.var("day", DURATION))), END - DAY),
        (ir.let("t", ir.now, ir.gt(NOT_AFTER, ir.var("t", TIMESTAMP))), END),
        (ir.not_(ir.and_(SECURE, ir.gt(ir.now, NOT_AFTER))), END),
        (ir.gt(ir.now, ir.timestamp("2026-12-01T00:00:00Z")), NOW + timedelta(days=7, hours=12)),
    ],
)
def test_a_decision_ends_when_a_comparison_with_now_changes(condition: Node, flip: object) -> None:
    device = facts({**GOOD, "cert": {"not_after": END}})
    assert decide(program(policy(rule(condition))), device).valid_until == flip


@pytest.mark.parametrize("comparison", [ir.lt, ir.le, ir.gt, ir.ge, ir.eq, ir.ne])
def test_the_outcome_is_the_same_until_the_decision_ends_and_may_differ_then(comparison) -> None:  # type: ignore[no-untyped-def]
    """At the instant itself `<` and `<=` differ, so both sides of it are looked at."""
    compiled, device = program(policy(rule(comparison(ir.now, NOT_AFTER)))), facts({"cert": {"not_after": END}})
    for now in (NOW, END - TICK, END, END + TICK):
        decision = decide(compiled, device, now=now)
        until = decision.valid_until or now + DAY
        for later in (until - TICK, min(until - TICK, now + HOUR)):
            assert decide(compiled, device, now=later).findings[0].result == decision.findings[0].result


def test_a_use_of_now_that_cannot_be_foreseen_is_asked_again_after_a_while() -> None:
    hour = ir.lt(ir.call(INT, "getHours", ir.now), ir.lit(18))
    assert decide(program(policy(rule(hour))), facts({})).valid_until == NOW + NOW_RECHECK


def test_a_comparison_with_an_absent_time_ends_nothing() -> None:
    assert decide(program(policy(rule(ir.gt(NOT_AFTER, ir.now)))), facts({})).valid_until is None


def test_a_device_is_asked_back_when_its_decision_ends() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(fresh=DAY))))
    assert decide(compiled, facts(GOOD, boot=seen(age=DAY - timedelta(minutes=10)))).next_checkin_after == 600


def test_a_device_is_never_asked_back_more_often_than_once_a_minute() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(fresh=DAY))))
    assert decide(compiled, facts(GOOD, boot=seen(age=DAY - timedelta(seconds=1)))).next_checkin_after == 60
