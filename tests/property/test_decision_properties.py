"""What holds for every decision (DESIGN section 6): losing facts never helps, adding policies never loosens, replay."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policyengine.decision.documents import DecisionWriter
from policyengine.decision.facts_json import facts_document
from policyengine.decision.ingest import read_facts
from policyengine.decision.prior import prior_document, prior_of, read_prior
from policyengine.decision.program import Program
from policyengine.model.decision import Decision, Result
from policyengine.model.facts import Facts, Source
from policyengine.model.policy import Action, Binding, EvidenceNeed, Mode, Policy, Selector
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.types import DOUBLE
from tests.property.random_rules import Rules
from tests.property.random_rules import facts as random_facts
from tests.support.bundles import DAY, HOUR, NOW, binding, decide, facts, policy, program, rule, seen, where

BAD = frozenset({Result.FAIL, Result.UNKNOWN})
GOOD = frozenset({Result.PASS, Result.SKIP})
PROPERTY = settings(max_examples=60, deadline=None)
SEEDS = st.integers(0, 2**32)  # a failing one is printed


def selector(random: Random) -> Selector:
    return random.choice((where(), where(model="gw-200"), where(site=("", "a")), where(not_site="ab")))


def random_policy(random: Random, name: str) -> Policy:
    needs = (
        EvidenceNeed(),
        EvidenceNeed(minimum=Source.ATTESTED),
        EvidenceNeed(fresh=DAY, hold=HOUR),
        EvidenceNeed(minimum=Source.OBSERVED, fresh=2 * DAY),
    )
    full = f"engineering/{name}"
    rules = [
        rule(
            Rules(random).condition(random.choice((1, 2, 3))), name=f"r{at}", policy=full, evidence=random.choice(needs)
        )
        for at in range(8)
    ]
    return policy(*rules, name=full, select=selector(random), exclude=random.choice((None, where(site="production"))))


def random_binding(random: Random, name: str, owner: str) -> Binding:
    return binding(
        name=f"operations/{name}",
        policy=f"engineering/{owner}",
        selector=selector(random),
        mode=random.choice(list(Mode)),
        action=random.choice(list(Action)),
    )


def random_device(random: Random) -> Facts:
    provenance = {
        name: seen(random.choice(list(Source)), age=random.choice((HOUR, DAY, 3 * DAY)), complete=random.random() < 0.3)
        for name in ("boot", "net", "software", "boot.mode")
        if random.random() < 0.7
    }
    return facts(random_facts(random, 0.1), provenance)


def programs(random: Random) -> Program:
    policies = [random_policy(random, "p"), random_policy(random, "q")]
    bindings = tuple(random_binding(random, f"b{at}", random.choice("pq")) for at in range(3))
    return program(*policies, bindings=bindings)


def without_one(values: Mapping[str, Any], partial: frozenset[str], path: str = "") -> Iterator[dict[str, Any]]:
    """Yield `values` once per fact that is not in a complete group, without it."""
    for name, value in values.items():
        here = f"{path}.{name}" if path else name
        if here.partition(".")[0] not in partial:
            continue
        if isinstance(value, dict):
            for inner in without_one(value, partial, here):
                yield {**values, name: inner}
        if isinstance(value, tuple):
            for at, item in enumerate(value):
                yield {**values, name: value[:at] + value[at + 1 :]}
                for inner in without_one(item, partial, here) if isinstance(item, dict) else ():
                    yield {**values, name: (*value[:at], inner, *value[at + 1 :])}
        yield {key: kept for key, kept in values.items() if key != name}


def results(decision: Decision) -> dict[str, set[Result]]:
    """Return the results of each rule under all bindings; a rule without a finding is skipped."""
    found: dict[str, set[Result]] = {}
    for finding in decision.findings:
        found.setdefault(finding.rule, set()).add(finding.result)
    return found


@PROPERTY
@given(SEEDS)
def test_losing_a_fact_never_turns_a_failure_or_unknown_into_a_pass_or_skip(seed: int) -> None:
    random = Random(seed)
    compiled, device = programs(random), random_device(random)
    complete = {path.partition(".")[0] for path, kept in device.provenance.items() if kept.complete}
    before = results(decide(compiled, device))
    for values in without_one(device.values, frozenset(set(device.values) - complete)):
        poorer = Facts(device_id=device.device_id, values=values, provenance=device.provenance)
        after = results(decide(compiled, poorer))
        for name, outcomes in before.items():
            if outcomes <= BAD:
                assert after.get(name, {Result.SKIP}) <= BAD, (name, values)


@PROPERTY
@given(SEEDS)
def test_adding_a_policy_or_binding_never_raises_a_tier(seed: int) -> None:
    random = Random(seed)
    policies = [random_policy(random, "p"), random_policy(random, "q")]
    bindings = [random_binding(random, f"b{at}", random.choice("pq")) for at in range(3)]
    fewer = [found for found in bindings if found.policy == "engineering/p"]
    for _ in range(3):
        device = random_device(random)
        whole = decide(program(*policies, bindings=tuple(bindings)), device).tier
        assert whole >= decide(program(policies[0], bindings=tuple(fewer)), device).tier
        assert whole >= decide(program(*policies, bindings=tuple(bindings[1:])), device).tier


@PROPERTY
@given(SEEDS)
def test_a_stored_decision_is_replayed_to_the_same_bytes(seed: int) -> None:
    """From stored facts and prior alone, by a program compiled anew, findings in any order of policies."""
    random = Random(seed)
    policies = [random_policy(random, "p"), random_policy(random, "q")]
    bindings = tuple(random_binding(random, f"b{at}", random.choice("pq")) for at in range(3))
    compiled, again = program(*policies, bindings=bindings), program(*policies[::-1], bindings=bindings[::-1])
    schema = CORE_SCHEMA.with_org({"score": DOUBLE})
    prior, now = None, NOW
    for _ in range(3):
        device = random_device(random)
        decision = decide(compiled, device, prior=prior, now=now)
        stored = read_facts(copy.deepcopy(facts_document(device)), schema=schema)
        before = None if prior is None else read_prior(prior_document(prior))
        replayed = decide(again, stored, prior=before, now=now)
        assert DecisionWriter("c").written(replayed) == DecisionWriter("c").written(decision)
        prior, now = prior_of(decision), now + timedelta(hours=7)


@PROPERTY
@given(SEEDS)
def test_nothing_changes_before_a_decision_ends(seed: int) -> None:
    """Two instants with the same facts, the second before `valid_until`: the same results (DESIGN section 6)."""
    random = Random(seed)
    compiled, device = programs(random), random_device(random)
    decision = decide(compiled, device)
    end = decision.valid_until or NOW + 30 * DAY
    for part in (0.0, 0.3, 0.9):
        later = min(NOW + (end - NOW) * part, end - timedelta(microseconds=1))
        again = decide(compiled, device, now=later, prior=prior_of(decision))
        assert [(found.rule, found.result) for found in again.findings] == [
            (found.rule, found.result) for found in decision.findings
        ]
        assert again.tier == decision.tier
