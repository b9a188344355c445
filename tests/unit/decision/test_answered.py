"""What devices of one kind answered before never shows: a bundle that decides again says what a new one would."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from policyengine.decision.answered import MAX_ANSWERED, Memory, is_common
from policyengine.decision.program import Program
from policyengine.model.decision import Result
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.policy import EvidenceNeed
from tests.support import ir
from tests.support.bundles import DAY, HOUR, NOW, binding, decide, facts, policy, program, rule, seen

SECURE = ir.fact("boot.secure")
NEEDS = [
    EvidenceNeed(),
    EvidenceNeed(minimum=Source.ATTESTED),
    EvidenceNeed(fresh=HOUR),
    EvidenceNeed(minimum=Source.OBSERVED, fresh=DAY),
]
AGES = [timedelta(microseconds=-1), timedelta(), HOUR - timedelta(microseconds=1), HOUR, DAY - HOUR, DAY]


def asking() -> Program:
    """Return a program whose rules ask the same of facts in four ways."""
    rules = [rule(SECURE, name=f"r{at}", evidence=need) for at, need in enumerate(NEEDS)]
    return program(policy(*rules), bindings=(binding(),))


def devices() -> list[Facts]:
    """Return devices that differ in one thing or another that decides what counts."""
    values = [{"boot": {"secure": True}}, {"boot": {"secure": False}}, {"boot": {}}, {}]
    places: list[dict[str, Provenance]] = [
        {path: seen(source, age=age, complete=complete)}
        for path, source, age, complete in product(
            ("boot", "boot.secure"), (Source.REPORTED, Source.OBSERVED, Source.ATTESTED), AGES, (False, True)
        )
    ]
    return [facts(held, place) for held, place in product(values, places)]


def test_decision_is_that_of_a_bundle_which_has_decided_nothing_yet() -> None:
    """DESIGN section 6: what is too weak or too old for a rule does not count, half-open to the microsecond."""
    compiled = asking()
    every = devices()
    for device in every:
        decide(compiled, device)
    assert [decide(compiled, device) for device in every] == [decide(asking(), device) for device in every]


def test_rule_that_reads_the_time_is_asked_each_time() -> None:
    late = ir.or_(SECURE, ir.gt(ir.now, ir.timestamp("2026-11-23T12:30:00Z")))
    compiled = program(policy(rule(late)), bindings=(binding(),))
    device = facts({"boot": {"secure": False}})
    found = [decide(compiled, device, now=now).findings[0].result for now in (NOW, NOW + HOUR, NOW)]
    assert found == [Result.FAIL, Result.PASS, Result.FAIL]


def test_fact_that_only_one_device_has_is_looked_at_each_time() -> None:
    lasting = ir.gt(ir.fact("cert.not_after"), ir.timestamp("2026-11-23T12:30:00Z"))
    compiled = program(policy(rule(lasting)), bindings=(binding(),))
    ends = [{"cert": {"not_after": end}} for end in (NOW + HOUR, NOW)]
    found = [decide(compiled, facts(end)).findings[0].result for end in ends]
    assert found == [Result.PASS, Result.FAIL]


@pytest.mark.parametrize(
    ("path", "common"),
    [
        ("boot.secure", True),
        ("boot.seed", False),
        ("boot", False),
        ("software", True),
        ("cert.not_after", False),
        ("device.labels.line", False),
        ("device.site", True),
    ],
)
def test_only_facts_that_devices_share_are_answered_for_all(path: str, common: bool) -> None:
    assert is_common((path,)) is common


def test_what_is_remembered_is_bounded() -> None:
    memory = Memory()
    for number in range(MAX_ANSWERED + 1):
        memory.of(number, lambda: (True,))
    assert memory.of(0, lambda: (False,)) == (False,)
