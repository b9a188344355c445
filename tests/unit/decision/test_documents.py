"""Decisions as JSON: the published shape, canonical bytes, and what the next decision takes from them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from random import Random

import jsonschema
import pytest

from policyengine.decision.documents import MAX_SEEN, DecisionWriter, decision_document, decision_id
from policyengine.decision.prior import (
    PriorError,
    prior_bytes,
    prior_digest,
    prior_document,
    prior_of,
    read_prior,
    read_prior_from_decision,
)
from policyengine.model.canonical import canonical
from policyengine.model.decision import Decision
from policyengine.model.policy import EvidenceNeed, Phase
from tests.property.random_rules import Rules
from tests.property.random_rules import facts as random_facts
from tests.support import ir
from tests.support.bundles import DAY, HOUR, NOW, binding, decide, facts, policy, program, rule, seen

SECURE = ir.fact("boot.secure")
SHAPE = json.loads((files("policyengine.model") / "shapes" / "decision.schema.json").read_text())
HOLDING = program(
    policy(rule(SECURE, evidence=EvidenceNeed(hold=DAY), message="is {boot.secure} “so”")), bindings=(binding(),)
)


def held() -> Decision:
    before = decide(HOLDING, facts({"boot": {"secure": True}}), now=NOW - HOUR)
    return decide(HOLDING, facts({}), prior=prior_of(before))


@pytest.mark.parametrize("values", [{"boot": {"secure": True}}, {"boot": {"secure": False}}, {}])
def test_a_decision_has_the_published_shape(values: dict[str, object]) -> None:
    jsonschema.validate(decision_document(decide(HOLDING, facts(values)), commit="abc"), SHAPE)


def test_a_denied_enrolment_says_why() -> None:
    assert (
        decision_document(decide(program(), facts({}), phase=Phase.ENROLL), commit=None)["reason"]
        == "decision.no-policy"
    )


def test_the_writer_writes_the_canonical_bytes_of_the_document() -> None:
    decision = held()
    assert DecisionWriter("abc").written(decision) == canonical(decision_document(decision, commit="abc"))


def test_the_writer_writes_the_same_where_what_rules_saw_was_made_before() -> None:
    decision = held()
    made = replace(decision, sights=tuple(decision.sights))
    assert DecisionWriter("abc").written(made) == DecisionWriter("abc").written(decision)


def test_the_writer_agrees_with_the_document_on_random_rules_and_facts() -> None:
    random, writer = Random(7), DecisionWriter(None)
    messages = ("{boot.mode} {net.open_ports} %s", "{boot.mode} at 100 %", 'shows "no" fact: %s')
    rules = [rule(Rules(random).condition(), name=f"r{at}", message=messages[at % 3]) for at in range(60)]
    compiled = program(policy(*rules), bindings=(binding(),))
    for _ in range(20):
        device = facts({**random_facts(random, 0.2), "device": {}})
        decision = decide(compiled, device)
        assert writer.written(decision) == canonical(decision_document(decision, commit=None))


def test_a_value_that_was_written_before_stands_under_its_own_provenance() -> None:
    """What a writer keeps of one decision must not show in the next."""
    compiled, writer = program(policy(rule(ir.in_(ir.lit(1), ir.fact("net.open_ports"))))), DecisionWriter(None)
    values = {"net": {"open_ports": (1, 2)}}
    for age in (HOUR, HOUR, 2 * HOUR, HOUR):
        decision = decide(compiled, facts(values, net=seen(age=age)))
        assert writer.written(decision) == canonical(decision_document(decision, commit=None))


def test_a_long_list_is_counted_not_repeated() -> None:
    ports = tuple(range(MAX_SEEN + 1))
    compiled = program(policy(rule(ir.in_(ir.lit(1), ir.fact("net.open_ports")))))
    document = decision_document(decide(compiled, facts({"net": {"open_ports": ports}})), commit=None)
    (finding,) = document["findings"]  # type: ignore[misc]
    assert finding["facts"]["net.open_ports"]["value"] == {"count": MAX_SEEN + 1}  # type: ignore[index]


def test_the_same_inputs_have_the_same_decision_id() -> None:
    assert decision_id(held()) == decision_id(held())


def test_another_time_is_another_decision() -> None:
    one, other = (decide(HOLDING, facts({}), now=NOW + step) for step in (timedelta(), HOUR))
    assert decision_id(one) != decision_id(other)


def test_unchanged_check_ins_share_the_state_they_carry_over() -> None:
    device = facts({"boot": {"secure": True}})
    first = prior_of(decide(HOLDING, device))
    second = prior_of(decide(HOLDING, device, prior=first, now=NOW + HOUR))
    assert prior_digest(second) == prior_digest(first)


def test_the_carried_state_reads_back() -> None:
    prior = prior_of(held())
    assert read_prior(prior_document(prior)) == prior


def test_the_carried_state_is_in_the_decision_document() -> None:
    decision = held()
    written = json.loads(DecisionWriter(None).written(decision))
    assert read_prior_from_decision(written) == prior_of(decision)


def test_the_bytes_of_the_carried_state_are_canonical() -> None:
    prior = prior_of(held())
    assert prior_bytes(prior) == canonical(prior_document(prior))


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"tier": "full", "decided_tier": "full", "findings": {}},
        {"tier": "fool", "decided_tier": "full", "findings": []},
        {"tier": "full", "decided_tier": "full", "findings": [{"rule": 1}]},
        {"tier": "full", "decided_tier": "full", "findings": [{"rule": "a", "failing_since": "soon"}]},
        {"tier": "full", "decided_tier": "full", "findings": [{"rule": "a", "last_decisive": "maybe"}]},
    ],
)
def test_a_document_that_is_no_decision_is_refused(document: object) -> None:
    with pytest.raises(PriorError):
        read_prior_from_decision(document)
