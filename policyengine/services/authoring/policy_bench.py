"""Where the devices of a policy test are judged: one policy under its bindings, as if the fleet enforced.

Where a fixture leaves a selector key unset (no site, say), it is taken to stand wherever that key asks: the author sets
`device.site` to test where a binding applies, and need not otherwise (docs/adr/0009).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from policyengine.decision.prior import prior_of
from policyengine.decision.program import Program, compile_program
from policyengine.decision.selection import keys_read
from policyengine.model.decision import Decision, Finding, Sight
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.ids import Digest, device_id, rule_name
from policyengine.model.policy import Bundle, Clause, Enforcement, Phase, Policy, Selector, Waiver
from policyengine.model.policy_test import Fixture, PolicyTest

Told = tuple[Finding, Sight]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A fixture's findings by rule id, one for each binding that applies, and the decision its tier is read from."""

    findings: Mapping[str, tuple[Told, ...]]
    decision: Decision


class Bench:
    """Judges the fixtures of one test; compiles once for those that leave the same selector keys unset."""

    def __init__(self, bundle: Bundle, digest: Digest, policy: Policy, test: PolicyTest) -> None:
        self.policy = policy
        self._test = test
        self._bundle = _only(bundle, policy, test)
        self._digest = digest
        self._programs: dict[frozenset[str], Program] = {}

    def judge(self, fixture: Fixture) -> Judged:
        """Return what the policy says of `fixture` at the test's time."""
        decisions = {phase: self._decided(fixture, self._test.now, phase) for phase in Phase}
        findings = {
            rule.id: _of_rule(decisions[_phase(rule.phases, fixture.phase)], rule.name) for rule in self.policy.rules
        }
        phases = frozenset(phase for rule in self.policy.rules for phase in rule.phases)
        return Judged(findings=findings, decision=decisions[_phase(phases, fixture.phase)])

    def _decided(self, fixture: Fixture, now: datetime, phase: Phase) -> Decision:
        """Return the decision at `now`, after those that the fixture says were made before."""
        earlier = fixture.prior
        prior = None
        if earlier is not None:
            before = self._decided(self._test.fixtures[earlier.device], now - earlier.ago, phase)
            prior = prior_of(before)
        return self._program_for(fixture).decide(_facts(fixture, now), prior=prior, now=now, phase=phase)

    def _program_for(self, fixture: Fixture) -> Program:
        unset = frozenset(key for key in keys_read([self.policy], self._bundle.bindings) if not _is_set(fixture, key))
        if unset not in self._programs:
            self._programs[unset] = compile_program(_standing_anywhere(self._bundle, self.policy, unset), self._digest)
        return self._programs[unset]


def _only(bundle: Bundle, policy: Policy, test: PolicyTest) -> Bundle:
    """Return `bundle` with nothing but `policy`, what binds and waives it, and enforcement on."""
    waivers = (waiver for waiver in bundle.waivers if waiver.policy == policy.name)
    return replace(
        bundle,
        fleet=replace(bundle.fleet, enforcement=Enforcement.ENFORCE),
        policies={policy.name: policy},
        bindings=tuple(binding for binding in bundle.bindings if binding.policy == policy.name),
        waivers=(*waivers, *_excuses(policy, test.fixtures.values())),
    )


def _excuses(policy: Policy, fixtures: Iterable[Fixture]) -> Iterable[Waiver]:
    """Yield the waivers that the fixtures have, approved by all whom the policy asks."""
    for fixture in fixtures:
        if fixture.waiver is not None:
            yield Waiver(
                name=f"of {fixture.name}",
                policy=policy.name,
                rules=frozenset(rule_name(policy.name, rule) for rule in fixture.waiver.rules),
                where=Selector(clauses=(Clause(key="device", values=(fixture.name,)),)),
                reason="",
                ticket="",
                compensating_control="",
                approvals=() if policy.waivers is None else policy.waivers.approvals,
                expires=fixture.waiver.expires,
                unknown=policy.waivers is not None and policy.waivers.unknown,
                place=fixture.place,
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


def _facts(fixture: Fixture, now: datetime) -> Facts:
    """Return the fixture's facts at `now`: identity and registry speak for `device`, its source for all else."""
    seen = Provenance(source=fixture.source, observed_at=now - fixture.age, complete=not fixture.partial)
    registry = Provenance(source=Source.CERTIFIED, observed_at=now, complete=not fixture.partial)
    return Facts(device_id=device_id(fixture.name), values=fixture.values, provenance={"": seen, "device": registry})


def _phase(offered: frozenset[Phase], wanted: Phase) -> Phase:
    """Return the phase to judge in: the fixture's where it is offered, else operation, else enrolment."""
    if wanted in offered:
        return wanted
    return Phase.OPERATE if Phase.OPERATE in offered else Phase.ENROLL


def _of_rule(decision: Decision, rule: str) -> tuple[Told, ...]:
    pairs = zip(decision.findings, decision.sights, strict=True)
    return tuple((finding, sight) for finding, sight in pairs if finding.rule == rule)
