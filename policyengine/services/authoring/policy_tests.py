"""Policy tests: what every rule says of devices with known facts, beside what its author expects.

With several bindings a rule's result is the strictest of theirs (docs/adr/0009); policy_bench.py judges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from policyengine.decision.binding import reads_of
from policyengine.model.decision import UNSEEN, Decision, FactSeen, Finding, Outcome, Result
from policyengine.model.ids import Digest, PolicyName
from policyengine.model.policy import Bundle, Place, Policy, Rule
from policyengine.model.policy_test import Expectation, PolicyTest
from policyengine.services.authoring.policy_bench import Bench, Judged, Told

_STRICTEST = (Result.FAIL, Result.UNKNOWN, Result.WAIVED, Result.PASS, Result.SKIP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One expectation and what was seen. `subject` is a rule id or `tier`; `place` is where the test expects it.

    Of a rule, `facts` are those that it read, `absent` the paths of those that the device has not, `rule_place` and
    `require` where it stands and what it asks for. Of a tier, `findings` are the rules that ask for one.
    """

    test: str
    policy: PolicyName
    fixture: str
    subject: str
    expected: str
    seen: str
    reason: str
    facts: Mapping[str, FactSeen]
    absent: tuple[str, ...]
    findings: tuple[Finding, ...]
    place: Place
    rule_place: Place | None
    require: str

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


def run_policy_tests(bundle: Bundle, digest: Digest, tests: Iterable[PolicyTest]) -> PolicyTestReport:
    """Return what every test says; waivers are judged at each test's own `now`."""
    cases: list[Case] = []
    gaps: list[Gap] = []
    tested: set[PolicyName] = set()
    for test in tests:
        bench = Bench(bundle, digest, bundle.policies[test.policy], test)
        judged = {name: bench.judge(fixture) for name, fixture in test.fixtures.items()}
        cases.extend(cases_of(test, bench.policy, judged))
        gaps.extend(_gaps(test, bench.policy, judged.values()))
        tested.add(test.policy)
    untested = tuple(sorted(set(bundle.policies) - tested))
    return PolicyTestReport(cases=tuple(cases), gaps=tuple(gaps), untested=untested)


def _strictest(told: tuple[Told, ...]) -> Told | None:
    return min(told, key=lambda pair: _STRICTEST.index(pair[0].result), default=None)


def cases_of(test: PolicyTest, policy: Policy, judged: Mapping[str, Judged]) -> Iterator[Case]:
    """Yield each expectation of `test` with what was seen of its fixture."""
    rules = {rule.id: rule for rule in policy.rules}
    for expectation in test.expectations:
        seen = judged[expectation.fixture]
        for rule, result in expectation.results.items():
            yield _rule_case(test, expectation, rules[rule], result, seen)
        if expectation.tier is not None:
            yield _tier_case(test, expectation, expectation.tier.name.lower(), seen.decision)


def _rule_case(test: PolicyTest, expectation: Expectation, rule: Rule, expected: Result, judged: Judged) -> Case:
    finding, sight = _strictest(judged.findings[rule.id]) or (None, UNSEEN)
    absent = () if finding is None else tuple(path for path in reads_of(rule.require) if path not in sight.facts)
    return Case(
        test=test.name,
        policy=test.policy,
        fixture=expectation.fixture,
        subject=rule.id,
        expected=expected.value,
        seen=(finding.result if finding else Result.SKIP).value,
        reason=finding.reason if finding else "selector.no-match",
        facts=sight.facts,
        absent=absent,
        findings=(),
        place=expectation.places.get(rule.id, expectation.place),
        rule_place=rule.place,
        require=" ".join(rule.text.split()),
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
        absent=(),
        findings=tuple(found for found in decision.findings if found.result in (Result.FAIL, Result.UNKNOWN)),
        place=expectation.places.get("tier", expectation.place),
        rule_place=None,
        require="",
    )


def _gaps(test: PolicyTest, policy: Policy, judged: Iterable[Judged]) -> Iterator[Gap]:
    shown: dict[str, set[str]] = {rule.id: set() for rule in policy.rules}
    for one in judged:
        for rule, findings in one.findings.items():
            shown[rule].update(finding.result.value for finding, _ in findings)
    for rule, results in shown.items():
        missing = tuple(outcome for outcome in Outcome if outcome in test.per_rule and outcome.value not in results)
        if missing:
            yield Gap(test=test.name, policy=test.policy, rule=rule, missing=missing, place=test.place)
