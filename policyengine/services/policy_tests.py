"""Policy tests: what every rule says of devices with known facts, beside what its author expects.

A fixture is judged under the bindings of the policy, as if the fleet enforced. Where it leaves a selector key unset (no
site, say), it is taken to stand wherever that key asks: the author sets `device.site` to test where a binding applies,
and need not otherwise. With several bindings a rule's result is the strictest of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from policyengine.decision.program import Program, compile_program
from policyengine.decision.selection import keys_read
from policyengine.model.decision import Decision, FactSeen, Finding, Outcome, Result, Sight
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.ids import Digest, PolicyName, device_id
from policyengine.model.policy import Bundle, Enforcement, Phase, Place, Policy, Selector
from policyengine.model.policy_test import Expectation, Fixture, PolicyTest

_Told = tuple[Finding, Sight]

_STRICTEST = (Result.FAIL, Result.UNKNOWN, Result.WAIVED, Result.PASS, Result.SKIP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One expectation and what was seen. `subject` is a rule id or `tier`; `facts` are those the rule read."""

    test: str
    policy: PolicyName
    fixture: str
    subject: str
    expected: str
    seen: str
    reason: str
    facts: Mapping[str, FactSeen]
    place: Place

    @property
    def passed(self) -> bool:
        """Whether the rule did as its author expects."""
        return self.expected == self.seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A rule that no fixture of the test brought to some of the results its author wants to see."""

    test: str
    policy: PolicyName
    rule: str
    missing: tuple[Outcome, ...]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTestReport:
    """What all policy tests of a repository said. `untested` are policies that no test is about."""

    cases: tuple[Case, ...]
    gaps: tuple[Gap, ...]
    untested: tuple[PolicyName, ...]

    @property
    def failures(self) -> tuple[Case, ...]:
        """Return the cases that did not do as expected."""
        return tuple(case for case in self.cases if not case.passed)

    @property
    def passed(self) -> bool:
        """Whether every expectation held and no rule stayed unseen."""
        return not self.failures and not self.gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A fixture's findings by rule id, and the decision its tier is read from."""

    findings: Mapping[str, tuple[_Told, ...]]
    decision: Decision


def run_policy_tests(bundle: Bundle, digest: Digest, tests: Iterable[PolicyTest]) -> PolicyTestReport:
    """Return what every test says; waivers are judged at each test's own `now`."""
    cases: list[Case] = []
    gaps: list[Gap] = []
    tested: set[PolicyName] = set()
    for test in tests:
        bench = _Bench(bundle, digest, bundle.policies[test.policy])
        judged = {name: bench.judge(fixture, test) for name, fixture in test.fixtures.items()}
        cases.extend(_cases(test, judged))
        gaps.extend(_gaps(test, bench.policy, judged.values()))
        tested.add(test.policy)
    untested = tuple(sorted(set(bundle.policies) - tested))
    return PolicyTestReport(cases=tuple(cases), gaps=tuple(gaps), untested=untested)


class _Bench:
    """Where fixtures of one policy are judged; compiles once for fixtures that leave the same selector keys unset."""

    def __init__(self, bundle: Bundle, digest: Digest, policy: Policy) -> None:
        self.policy = policy
        self._bundle = _only(bundle, policy)
        self._digest = digest
        self._programs: dict[frozenset[str], Program] = {}

    def judge(self, fixture: Fixture, test: PolicyTest) -> _Judged:
        """Return what the policy says of `fixture` at the test's time."""
        program = self._program_for(fixture)
        facts = _facts(fixture, test)
        decisions = {phase: program.decide(facts, prior=None, now=test.now, phase=phase) for phase in Phase}
        findings = {
            rule.id: _of_rule(decisions[_phase(rule.phases, fixture.phase)], rule.name) for rule in self.policy.rules
        }
        phases = frozenset(phase for rule in self.policy.rules for phase in rule.phases)
        return _Judged(findings=findings, decision=decisions[_phase(phases, fixture.phase)])

    def _program_for(self, fixture: Fixture) -> Program:
        unset = frozenset(key for key in keys_read([self.policy], self._bundle.bindings) if not _is_set(fixture, key))
        if unset not in self._programs:
            self._programs[unset] = compile_program(_standing_anywhere(self._bundle, self.policy, unset), self._digest)
        return self._programs[unset]


def _only(bundle: Bundle, policy: Policy) -> Bundle:
    """Return `bundle` with nothing but `policy`, what binds and waives it, and enforcement on."""
    return replace(
        bundle,
        fleet=replace(bundle.fleet, enforcement=Enforcement.ENFORCE),
        policies={policy.name: policy},
        bindings=tuple(binding for binding in bundle.bindings if binding.policy == policy.name),
        waivers=tuple(waiver for waiver in bundle.waivers if waiver.policy == policy.name),
    )


def _is_set(fixture: Fixture, key: str) -> bool:
    value: object = fixture.values.get("device", {})
    for step in ("id",) if key == "device" else key.split(".", 1):
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    return True


def _standing_anywhere(bundle: Bundle, policy: Policy, unset: frozenset[str]) -> Bundle:
    """Return `bundle` with every selector taken to match on the keys `unset`, and no exclusion resting on them."""
    excluded = policy.exclude
    if excluded is not None and any(clause.key in unset for clause in excluded.clauses):
        excluded = None
    placed = replace(
        policy, select=_without(policy.select, unset), scope=_without(policy.scope, unset), exclude=excluded
    )
    bindings = tuple(replace(binding, where=_without(binding.where, unset)) for binding in bundle.bindings)
    return replace(bundle, policies={policy.name: placed}, bindings=bindings)


def _without(selector: Selector, keys: frozenset[str]) -> Selector:
    return Selector(clauses=tuple(clause for clause in selector.clauses if clause.key not in keys))


def _facts(fixture: Fixture, test: PolicyTest) -> Facts:
    """Return the fixture's facts: identity and registry speak for `device`, the fixture's source for all else."""
    seen = Provenance(source=fixture.source, observed_at=test.now - fixture.age, complete=not fixture.partial)
    registry = Provenance(source=Source.CERTIFIED, observed_at=test.now, complete=not fixture.partial)
    return Facts(device_id=device_id(fixture.name), values=fixture.values, provenance={"": seen, "device": registry})


def _phase(offered: frozenset[Phase], wanted: Phase | None) -> Phase:
    """Return the phase to judge in: the fixture's where it is offered, else operation, else enrolment."""
    if wanted is not None and wanted in offered:
        return wanted
    return Phase.OPERATE if Phase.OPERATE in offered else Phase.ENROLL


def _of_rule(decision: Decision, rule: str) -> tuple[_Told, ...]:
    pairs = zip(decision.findings, decision.sights, strict=True)
    return tuple((finding, sight) for finding, sight in pairs if finding.rule == rule)


def _strictest(told: tuple[_Told, ...]) -> _Told | None:
    return min(told, key=lambda pair: _STRICTEST.index(pair[0].result), default=None)


def _cases(test: PolicyTest, judged: Mapping[str, _Judged]) -> Iterator[Case]:
    for expectation in test.expectations:
        seen = judged[expectation.fixture]
        for rule, result in expectation.results.items():
            yield _rule_case(test, expectation, rule, result, seen)
        if expectation.tier is not None:
            yield _tier_case(test, expectation, expectation.tier.name.lower(), seen.decision)


def _rule_case(test: PolicyTest, expectation: Expectation, rule: str, expected: Result, judged: _Judged) -> Case:
    finding, sight = _strictest(judged.findings[rule]) or (None, None)
    return Case(
        test=test.name,
        policy=test.policy,
        fixture=expectation.fixture,
        subject=rule,
        expected=expected.value,
        seen=(finding.result if finding else Result.SKIP).value,
        reason=finding.reason if finding else "selector.no-match",
        facts=sight.facts if sight else {},
        place=expectation.places.get(rule, expectation.place),
    )


def _tier_case(test: PolicyTest, expectation: Expectation, expected: str, decision: Decision) -> Case:
    return Case(
        test=test.name,
        policy=test.policy,
        fixture=expectation.fixture,
        subject="tier",
        expected=expected,
        seen=decision.decided_tier.name.lower(),
        reason=decision.reason or "",
        facts={},
        place=expectation.places.get("tier", expectation.place),
    )


def _gaps(test: PolicyTest, policy: Policy, judged: Iterable[_Judged]) -> Iterator[Gap]:
    shown: dict[str, set[str]] = {rule.id: set() for rule in policy.rules}
    for one in judged:
        for rule, findings in one.findings.items():
            shown[rule].update(finding.result.value for finding, _ in findings)
    for rule, results in shown.items():
        missing = tuple(outcome for outcome in Outcome if outcome in test.per_rule and outcome.value not in results)
        if missing:
            yield Gap(test=test.name, policy=test.policy, rule=rule, missing=missing, place=test.place)
