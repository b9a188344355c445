"""Which findings a device gets, and the tier that follows (DESIGN sections 4 and 6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from policyengine.decision.prior import carries_on, prior_of
from policyengine.model.decision import Decision, Result, Tier
from policyengine.model.facts import Source
from policyengine.model.policy import Action, Enforcement, EvidenceNeed, Mode, ParamSpec, Phase, Tighter, WaiverTerms
from policyengine.model.types import DURATION, INT
from tests.support import ir
from tests.support.bundles import (
    DAY,
    HOUR,
    NOW,
    binding,
    decide,
    facts,
    policy,
    program,
    rule,
    seen,
    waiver,
    where,
)

SECURE = ir.fact("boot.secure")
GOOD, BAD = {"boot": {"secure": True}}, {"boot": {"secure": False}}
TERMS = WaiverTerms(maximum=30 * DAY, approvals=())
ENFORCED = (binding(),)


def only(decision: Decision) -> tuple[Result, str]:
    (found,) = decision.findings
    return found.result, found.reason


def test_a_true_condition_passes() -> None:
    assert only(decide(program(policy(rule(SECURE))), facts(GOOD))) == (Result.PASS, "rule.true")


def test_a_false_condition_fails() -> None:
    assert only(decide(program(policy(rule(SECURE))), facts(BAD))) == (Result.FAIL, "rule.false")


def test_an_absent_fact_is_unknown() -> None:
    assert only(decide(program(policy(rule(SECURE))), facts({}))) == (Result.UNKNOWN, "fact.absent")


def test_a_fact_from_a_weaker_source_than_asked_for_is_unknown() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(minimum=Source.ATTESTED))))
    assert only(decide(compiled, facts(GOOD, boot=seen(Source.REPORTED)))) == (Result.UNKNOWN, "fact.weak")


def test_a_fact_at_the_very_limit_of_its_age_is_too_old() -> None:
    """Limits are half-open (DESIGN section 6)."""
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(fresh=DAY))))
    assert only(decide(compiled, facts(GOOD, boot=seen(age=DAY)))) == (Result.UNKNOWN, "fact.stale")


def test_a_fact_just_younger_than_its_limit_counts() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(fresh=DAY))))
    aged = facts(GOOD, boot=seen(age=DAY - timedelta(microseconds=1)))
    assert only(decide(compiled, aged)) == (Result.PASS, "rule.true")


def test_a_fact_observed_in_the_future_counts_as_too_old() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(fresh=DAY))))
    assert only(decide(compiled, facts(GOOD, boot=seen(age=-HOUR)))) == (Result.UNKNOWN, "fact.stale")


def test_a_weak_fact_leaves_its_stronger_neighbours_alone() -> None:
    need = EvidenceNeed(minimum=Source.ATTESTED)
    compiled = program(policy(rule(SECURE, evidence=need)))
    device = facts({"boot": {"secure": True, "mode": "locked"}}, {"boot.mode": seen(Source.REPORTED)})
    assert only(decide(compiled, device)) == (Result.PASS, "rule.true")


def test_has_of_a_weak_fact_is_unknown_even_in_a_complete_group() -> None:
    compiled = program(policy(rule(ir.not_(ir.has("boot.secure")), evidence=EvidenceNeed(minimum=Source.ATTESTED))))
    weak = facts(GOOD, boot=seen(Source.REPORTED, complete=True))
    assert only(decide(compiled, weak))[0] is Result.UNKNOWN


def test_has_of_an_absent_fact_is_false_in_a_complete_group() -> None:
    compiled = program(policy(rule(ir.not_(ir.has("boot.secure")))))
    assert only(decide(compiled, facts({"boot": {}}, boot=seen(complete=True)))) == (Result.PASS, "rule.true")


def test_a_witness_is_found_in_a_partial_list() -> None:
    compiled = program(policy(rule(ir.in_(ir.lit(22), ir.fact("net.open_ports")))))
    assert only(decide(compiled, facts({"net": {"open_ports": (443, 22)}})))[0] is Result.PASS


def test_no_witness_in_a_partial_list_is_unknown() -> None:
    compiled = program(policy(rule(ir.not_(ir.in_(ir.lit(23), ir.fact("net.open_ports"))))))
    assert only(decide(compiled, facts({"net": {"open_ports": (443,)}}))) == (Result.UNKNOWN, "fact.incomplete")


def test_an_absent_list_in_a_complete_group_is_unknown_not_empty() -> None:
    compiled = program(policy(rule(ir.all_(ir.fact("net.open_ports"), "p", ir.lt(ir.var("p", INT), ir.lit(9))))))
    assert only(decide(compiled, facts({"net": {}}, net=seen(complete=True)))) == (Result.UNKNOWN, "fact.absent")


def test_a_rule_of_another_model_has_no_finding() -> None:
    compiled = program(policy(rule(SECURE), select=where(model="plc-1")))
    assert decide(compiled, facts(BAD)).findings == ()


def test_a_rule_of_another_model_is_named_as_skipped() -> None:
    compiled = program(policy(rule(SECURE), select=where(model="plc-1")))
    skipped = compiled.skipped(facts(BAD), now=NOW, phase=Phase.OPERATE)
    assert [(found.rule, found.result, found.reason) for found in skipped] == [
        ("engineering/p#r", Result.SKIP, "selector.no-match")
    ]


def test_an_excluded_device_is_not_judged() -> None:
    compiled = program(policy(rule(SECURE), exclude=where(model="gw-200")))
    assert decide(compiled, facts(BAD)).findings == ()


def test_a_device_outside_the_owners_scope_is_not_judged() -> None:
    compiled = program(policy(rule(SECURE), scope=where(model="gw-210")))
    assert decide(compiled, facts(BAD)).findings == ()


def test_a_selector_that_cannot_be_decided_makes_the_rule_unknown() -> None:
    compiled = program(policy(rule(SECURE), select=where(site="plant-a")))
    assert only(decide(compiled, facts(GOOD))) == (Result.UNKNOWN, "selector.unknown")


def test_what_a_device_reports_of_itself_selects_nothing() -> None:
    compiled = program(policy(rule(SECURE), select=where(site="plant-b")))
    device = facts({"device": {"site": "plant-a"}, **GOOD}, {"device.site": seen(Source.REPORTED)})
    assert only(decide(compiled, device)) == (Result.UNKNOWN, "selector.unknown")


def test_an_undecidable_exclusion_excludes_nobody() -> None:
    compiled = program(policy(rule(SECURE), exclude=where(site="lab")))
    assert only(decide(compiled, facts(GOOD))) == (Result.UNKNOWN, "selector.unknown")


def test_one_clause_that_fails_decides_a_selector_with_another_unknown() -> None:
    compiled = program(policy(rule(SECURE), select=where(site="plant-a", model="plc-1")))
    assert decide(compiled, facts(GOOD)).findings == ()


def test_a_label_selects() -> None:
    compiled = program(policy(rule(SECURE), select=where(labels_ring="canary")))
    assert only(decide(compiled, facts({"device": {"labels": {"ring": "canary"}}, **GOOD})))[0] is Result.PASS


def test_the_device_id_selects() -> None:
    compiled = program(policy(rule(SECURE), select=where(device="gw-1")))
    assert only(decide(compiled, facts(GOOD)))[0] is Result.PASS


def test_a_policy_without_a_binding_is_audited() -> None:
    decision = decide(program(policy(rule(SECURE))), facts(BAD))
    assert [(found.binding, found.mode) for found in decision.findings] == [(None, Mode.AUDIT)]


def test_an_audited_failure_changes_no_tier() -> None:
    assert decide(program(policy(rule(SECURE))), facts(BAD)).tier is Tier.FULL


def test_an_enforced_failure_sets_the_tier_of_its_action() -> None:
    assert decide(program(policy(rule(SECURE)), bindings=ENFORCED), facts(BAD)).tier is Tier.QUARANTINE


def test_an_enforced_unknown_acts_as_a_failure_unless_it_may_hold() -> None:
    assert decide(program(policy(rule(SECURE)), bindings=ENFORCED), facts({})).tier is Tier.QUARANTINE


def test_the_strictest_binding_decides() -> None:
    bindings = (binding(action=Action.LIMITED), binding(name="operations/c", action=Action.DENY))
    assert decide(program(policy(rule(SECURE)), bindings=bindings), facts(BAD)).tier is Tier.DENY


def test_an_action_never_exceeds_its_policys_ceiling() -> None:
    compiled = program(policy(rule(SECURE), ceiling=Action.LIMITED), bindings=(binding(action=Action.DENY),))
    assert decide(compiled, facts(BAD)).tier is Tier.LIMITED


def test_notify_changes_no_tier() -> None:
    compiled = program(policy(rule(SECURE)), bindings=(binding(action=Action.NOTIFY),))
    assert decide(compiled, facts(BAD)).tier is Tier.FULL


def test_warn_changes_no_tier() -> None:
    compiled = program(policy(rule(SECURE)), bindings=(binding(mode=Mode.WARN),))
    assert decide(compiled, facts(BAD)).tier is Tier.FULL


def test_a_binding_elsewhere_leaves_the_rule_in_audit() -> None:
    compiled = program(policy(rule(SECURE)), bindings=(binding(selector=where(model="plc-1")),))
    assert [found.binding for found in decide(compiled, facts(BAD)).findings] == [None]


def test_a_binding_that_cannot_be_placed_applies_with_unknown() -> None:
    compiled = program(policy(rule(SECURE)), bindings=(binding(selector=where(site="plant-a")),))
    (found,) = decide(compiled, facts(GOOD)).findings
    assert (found.binding, found.result, found.reason) == ("operations/b", Result.UNKNOWN, "selector.unknown")


def test_an_observing_fleet_shows_what_would_happen_and_does_nothing() -> None:
    compiled = program(policy(rule(SECURE)), bindings=ENFORCED, enforcement=Enforcement.OBSERVE)
    decision = decide(compiled, facts(BAD))
    assert (decision.decided_tier, decision.tier) == (Tier.QUARANTINE, Tier.FULL)


def test_each_binding_has_its_own_params() -> None:
    spec = ParamSpec(name="floor", type=INT, default=1, tighter=Tighter.HIGHER, tunable_by=())
    floor = policy(rule(ir.ge(ir.fact("boot.svn"), ir.param("floor", INT))), params={"floor": spec})
    bindings = (binding(params={"floor": 3}), binding(name="operations/c", params={"floor": 9}))
    decision = decide(program(floor, bindings=bindings), facts({"boot": {"svn": 5}}))
    assert [found.result for found in decision.findings] == [Result.PASS, Result.FAIL]


def test_a_duration_param_is_text_in_days() -> None:
    spec = ParamSpec(name="age", type=DURATION, default="2d", tighter=Tighter.LOWER, tunable_by=())
    young = policy(rule(ir.lt(ir.fact("evidence.age"), ir.param("age", DURATION))), params={"age": spec})
    assert only(decide(program(young), facts({"evidence": {"age": DAY}})))[0] is Result.PASS


def test_versions_compare_under_the_scheme_of_the_devices_model() -> None:
    compiled = program(policy(rule(ir.at_least(ir.fact("model.latest_version"), "1.9.0"))))
    assert only(decide(compiled, facts({"model": {"latest_version": "1.10.0"}})))[0] is Result.PASS


def test_versions_of_an_unknown_model_are_unknown() -> None:
    compiled = program(policy(rule(ir.at_least(ir.fact("model.latest_version"), "1.9.0"))))
    device = facts({"model": {"latest_version": "1.10.0"}}, model="other")
    assert only(decide(compiled, device)) == (Result.UNKNOWN, "version.invalid")


def test_a_rule_of_the_other_phase_has_no_finding() -> None:
    compiled = program(policy(rule(SECURE, phases=frozenset({Phase.ENROLL}))))
    assert decide(compiled, facts(BAD)).findings == ()


def test_an_empty_policy_admits_nobody() -> None:
    decision = decide(program(), facts(GOOD), phase=Phase.ENROLL)
    assert (decision.tier, decision.reason) == (Tier.DENY, "decision.no-policy")


def test_an_audited_pass_admits_nobody_where_the_fleet_enforces() -> None:
    decision = decide(program(policy(rule(SECURE))), facts(GOOD), phase=Phase.ENROLL)
    assert (decision.tier, decision.reason) == (Tier.DENY, "decision.no-policy")


def test_an_audited_pass_admits_where_the_fleet_observes() -> None:
    compiled = program(policy(rule(SECURE)), enforcement=Enforcement.OBSERVE)
    assert decide(compiled, facts(GOOD), phase=Phase.ENROLL).tier is Tier.FULL


def test_an_observing_fleet_admits_nobody_without_any_pass() -> None:
    compiled = program(policy(rule(SECURE)), enforcement=Enforcement.OBSERVE)
    assert decide(compiled, facts({}), phase=Phase.ENROLL).tier is Tier.DENY


def test_an_enforced_pass_admits() -> None:
    compiled = program(policy(rule(SECURE)), bindings=ENFORCED)
    assert decide(compiled, facts(GOOD), phase=Phase.ENROLL).tier is Tier.FULL


def test_a_waiver_covers_a_failure() -> None:
    failing = rule(SECURE)
    compiled = program(policy(failing, waivers=TERMS), bindings=ENFORCED, waivers=(waiver(failing, expires=NOW + DAY),))
    decision = decide(compiled, facts(BAD))
    assert (only(decision), decision.tier) == ((Result.WAIVED, "waiver.covers"), Tier.FULL)


@pytest.mark.parametrize(
    ("terms", "expires", "selector", "values"),
    [
        (TERMS, NOW, where(), BAD),
        (TERMS, NOW + 31 * DAY, where(), BAD),
        (None, NOW + DAY, where(), BAD),
        (TERMS, NOW + DAY, where(site="plant-a"), BAD),
        (TERMS, NOW + DAY, where(model="plc-1"), BAD),
        (TERMS, NOW + DAY, where(), {}),
    ],
    ids=["ended this instant", "too long", "forbidden", "cannot be placed", "elsewhere", "unknown not covered"],
)
def test_a_waiver_that_does_not_hold_covers_nothing(terms, expires, selector, values) -> None:  # type: ignore[no-untyped-def]
    failing = rule(SECURE)
    waivers = (waiver(failing, expires=expires, selector=selector),)
    compiled = program(policy(failing, waivers=terms), bindings=ENFORCED, waivers=waivers)
    assert decide(compiled, facts(values)).tier is Tier.QUARANTINE


def test_a_waiver_covers_unknown_where_its_policy_says_so() -> None:
    failing = rule(SECURE)
    terms = WaiverTerms(maximum=30 * DAY, approvals=(), unknown=True)
    compiled = program(policy(failing, waivers=terms), bindings=ENFORCED, waivers=(waiver(failing, expires=NOW + DAY),))
    assert only(decide(compiled, facts({})))[0] is Result.WAIVED


def test_a_check_of_identity_is_never_waived() -> None:
    failing = rule(ir.fact("identity.verified"))
    compiled = program(policy(failing, waivers=TERMS), bindings=ENFORCED, waivers=(waiver(failing, expires=NOW + DAY),))
    assert only(decide(compiled, facts({"identity": {"verified": False}})))[0] is Result.FAIL


HOLDING = program(policy(rule(SECURE, evidence=EvidenceNeed(hold=DAY))), bindings=ENFORCED)


def test_an_unknown_holds_the_last_pass() -> None:
    before = decide(HOLDING, facts(GOOD), now=NOW - HOUR)
    decision = decide(HOLDING, facts({}), prior=prior_of(before))
    assert (decision.tier, decision.findings[0].held_until) == (Tier.FULL, NOW + DAY)


def test_an_unknown_holds_the_last_failure() -> None:
    before = decide(HOLDING, facts(BAD), now=NOW - HOUR)
    assert decide(HOLDING, facts({}), prior=prior_of(before)).tier is Tier.QUARANTINE


def test_an_unknown_without_a_last_result_acts() -> None:
    assert decide(HOLDING, facts({})).tier is Tier.QUARANTINE


def test_a_hold_ends_at_its_very_instant() -> None:
    passed = prior_of(decide(HOLDING, facts(GOOD), now=NOW - HOUR))
    held = prior_of(decide(HOLDING, facts({}), prior=passed))
    assert decide(HOLDING, facts({}), prior=held, now=NOW + DAY).tier is Tier.QUARANTINE


def test_a_hold_that_began_on_a_clock_ahead_is_no_longer_than_any_other() -> None:
    passed = prior_of(decide(HOLDING, facts(GOOD), now=NOW))
    ahead = prior_of(decide(HOLDING, facts({}), prior=passed, now=NOW + 30 * DAY))
    assert decide(HOLDING, facts({}), prior=ahead, now=NOW).findings[0].held_until == NOW + DAY


def test_a_hold_that_has_ended_does_not_begin_again() -> None:
    passed = prior_of(decide(HOLDING, facts(GOOD), now=NOW - HOUR))
    held = prior_of(decide(HOLDING, facts({}), prior=passed))
    ended = prior_of(decide(HOLDING, facts({}), prior=held, now=NOW + DAY))
    assert decide(HOLDING, facts({}), prior=ended, now=NOW + DAY + HOUR).tier is Tier.QUARANTINE


def test_a_hold_of_a_waived_failure_does_not_outlive_the_waiver() -> None:
    failing = rule(SECURE, evidence=EvidenceNeed(hold=7 * DAY))
    waivers = (waiver(failing, expires=NOW + DAY),)
    compiled = program(policy(failing, waivers=TERMS), bindings=ENFORCED, waivers=waivers)
    waived = prior_of(decide(compiled, facts(BAD)))
    held = decide(compiled, facts({}), prior=waived, now=NOW + HOUR)
    after = decide(compiled, facts({}), prior=prior_of(held), now=NOW + DAY)
    assert (held.tier, after.tier) == (Tier.FULL, Tier.QUARANTINE)


def test_failing_since_is_the_first_decision_that_did_not_pass() -> None:
    compiled = program(policy(rule(SECURE)))
    first = decide(compiled, facts(BAD), now=NOW - DAY)
    assert decide(compiled, facts({}), prior=prior_of(first)).findings[0].failing_since == NOW - DAY


def test_a_pass_ends_failing_since() -> None:
    compiled = program(policy(rule(SECURE)))
    first = decide(compiled, facts(BAD), now=NOW - DAY)
    assert decide(compiled, facts(GOOD), prior=prior_of(first)).findings[0].failing_since is None


def test_a_message_shows_facts_and_says_unknown_for_absent_ones() -> None:
    told = rule(SECURE, message="secure boot is {boot.secure}, mode {boot.mode}")
    assert decide(program(policy(told)), facts(BAD)).sights[0].message == "secure boot is false, mode unknown"


def test_a_finding_shows_the_weak_fact_that_made_it_unknown() -> None:
    compiled = program(policy(rule(SECURE, evidence=EvidenceNeed(minimum=Source.ATTESTED))))
    decision = decide(compiled, facts(GOOD, boot=seen(Source.REPORTED)))
    assert decision.sights[0].facts["boot.secure"].source is Source.REPORTED


def test_findings_are_sorted_by_rule_then_binding() -> None:
    both = policy(rule(SECURE, name="b"), rule(SECURE, name="a"))
    compiled = program(both, bindings=(binding(name="operations/z"), binding(name="operations/a")))
    order = [(found.rule[-1], (found.binding or "")[-1]) for found in decide(compiled, facts(GOOD)).findings]
    assert order == [("a", "a"), ("a", "z"), ("b", "a"), ("b", "z")]


@pytest.mark.parametrize("change", [{}, {"boot": {"secure": False}}, None])
def test_carried_state_is_kept_exactly_where_making_it_anew_gives_the_same(change: dict[str, object] | None) -> None:
    first = decide(HOLDING, facts(GOOD), now=NOW - HOUR)
    before = prior_of(first)
    again = decide(HOLDING, facts({} if change is None else GOOD | change), prior=before)
    assert carries_on(again, before) == (prior_of(again) == before)
    assert carries_on(again, prior_of(again))
