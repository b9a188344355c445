"""How much of each rule the policy tests have seen: its results, and each operand of its condition true and false.

A goal is one result of one rule (pass, fail, unknown) or one value of one operand (analysis/operands.py). Every device
of a test counts, whether or not something is expected of it: what expectations would miss, mutation tests show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from policyengine.analysis.operands import Operand, operands_of
from policyengine.analysis.rewriting import Path
from policyengine.language.source_places import SourcePlaces
from policyengine.model.decision import Outcome
from policyengine.model.expression import Node, facts_read
from policyengine.model.expression_text import condition_text
from policyengine.model.ids import BindingName, Digest, PolicyName, rule_name
from policyengine.model.policy import Bundle, Place, Policy, Rule
from policyengine.model.policy_test import Fixture, PolicyTest
from policyengine.services.authoring.policy_bench import Bench

_Seen = set[tuple[Path, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """One goal that no device reached: `outcome` of the rule, or `value` of the operand `expression`."""

    rule: str
    place: Place
    outcome: Outcome | None
    expression: str
    value: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCoverage:
    """What the tests of one policy have seen of it."""

    policy: PolicyName
    goals: int
    unseen: tuple[Unseen, ...]

    @property
    def reached(self) -> int:
        """The number of goals that some device reached."""
        return self.goals - len(self.unseen)


def percent(policies: Iterable[PolicyCoverage]) -> float:
    """Return how many of all goals were reached, in percent, rounded down to a tenth; 100 where there are none."""
    listed = tuple(policies)
    goals = sum(one.goals for one in listed)
    return 100.0 if not goals else sum(one.reached for one in listed) * 1000 // goals / 10


def coverage_of(
    bundle: Bundle, digest: Digest, tests: Iterable[PolicyTest], places: SourcePlaces
) -> tuple[PolicyCoverage, ...]:
    """Return the coverage of every policy, by name; a policy without a test has reached nothing."""
    listed = tuple(tests)
    return tuple(
        _coverage(bundle, digest, policy, [test for test in listed if test.policy == name], places)
        for name, policy in sorted(bundle.policies.items())
    )


def _coverage(
    bundle: Bundle, digest: Digest, policy: Policy, tests: Iterable[PolicyTest], places: SourcePlaces
) -> PolicyCoverage:
    probes = _Probes(policy)
    for test in tests:
        probes.run(bundle, digest, test)
    goals = tuple(goal for rule in policy.rules for goal in probes.goals(rule, places))
    unseen = tuple(goal for goal, is_seen in goals if not is_seen)
    return PolicyCoverage(policy=policy.name, goals=len(goals), unseen=unseen)


class _Probes:
    """The rules of a policy, and their operands as rules of their own; remembers what devices showed."""

    def __init__(self, policy: Policy) -> None:
        self._operands: Mapping[str, tuple[Operand, ...]] = {
            rule.id: operands_of(rule.require) for rule in policy.rules
        }
        self._policy = replace(policy, waivers=None, rules=tuple(_probes(policy, self._operands)))
        self._rules = policy.rules
        self._outcomes: dict[str, set[Outcome]] = {rule.id: set() for rule in policy.rules}
        self._values: dict[str, _Seen] = {rule.id: set() for rule in policy.rules}

    def run(self, bundle: Bundle, digest: Digest, test: PolicyTest) -> None:
        """Judge every device of `test`, without waivers and history: they change no condition."""
        bare = replace(test, fixtures={name: _bare(fixture) for name, fixture in test.fixtures.items()})
        bench = Bench(replace(bundle, waivers=()), digest, self._policy, bare)
        for fixture in bare.fixtures.values():
            told = bench.judge(fixture).findings
            answers = {
                rule: {finding.binding: Outcome(finding.result.value) for finding, _ in found}
                for rule, found in told.items()
            }
            for rule in self._rules:
                self._outcomes[rule.id].update(answers[rule.id].values())
                for binding in answers[rule.id]:
                    self._values[rule.id].update(_seen(rule, self._operands[rule.id], answers, binding))

    def goals(self, rule: Rule, places: SourcePlaces) -> Iterator[tuple[Unseen, bool]]:
        """Yield each goal of `rule` as what it is when unseen, and whether it was seen."""
        for outcome in Outcome:
            if outcome is not Outcome.UNKNOWN or facts_read(rule.require):
                goal = Unseen(rule=rule.id, place=rule.place, outcome=outcome, expression="", value=None)
                yield goal, outcome in self._outcomes[rule.id]
        for operand in self._operands[rule.id]:
            place, text = places.condition(rule, operand.offset, let=operand.let), condition_text(operand.node)
            for value in (True, False):
                goal = Unseen(rule=rule.id, place=place, outcome=None, expression=text, value=value)
                yield goal, (operand.path, value) in self._values[rule.id]


def _bare(fixture: Fixture) -> Fixture:
    return replace(fixture, prior=None, waiver=None)


def _probes(policy: Policy, operands: Mapping[str, tuple[Operand, ...]]) -> Iterator[Rule]:
    for rule in policy.rules:
        yield _probe(policy, rule, rule.id, rule.require)
        for operand in operands[rule.id]:
            for value, condition in ((True, operand.true), (False, operand.false)):
                yield _probe(policy, rule, _probe_id(rule, operand.path, value), condition)


def _probe(policy: Policy, rule: Rule, name: str, condition: Node) -> Rule:
    return replace(rule, id=name, name=rule_name(policy.name, name), require=condition, message="", text="")


def _probe_id(rule: Rule, path: Path, value: bool) -> str:  # noqa: FBT001 - the value that an operand has, no switch
    return f"{rule.id}~{'.'.join(map(str, path))}~{value}"


_Answers = Mapping[str, Mapping[BindingName | None, Outcome]]


def _seen(
    rule: Rule, operands: Iterable[Operand], answers: _Answers, binding: BindingName | None
) -> Iterator[tuple[Path, bool]]:
    """Yield the values that one device under `binding` showed of the operands, where they mattered."""
    for operand in operands:
        blocked = any(
            answers[_probe_id(rule, guard.path, guard.decided)].get(binding) is Outcome.PASS for guard in operand.guards
        )
        for value in (True, False):
            if not blocked and answers[_probe_id(rule, operand.path, value)].get(binding) is Outcome.PASS:
                yield operand.path, value
