"""Rules under their bindings, as compiled: what is fixed about a finding before any device is seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from policyengine.decision import flips
from policyengine.decision.answered import is_common, is_timeless
from policyengine.decision.generated import Evaluate, Flips, write_conditions, write_flips
from policyengine.decision.messages import Template
from policyengine.decision.space import Space
from policyengine.decision.views import Need, Needs
from policyengine.decision.waivers import waivable
from policyengine.model.decision import Finding, FindingTerms, Result
from policyengine.model.expression import Fact, Has, Node, Select, children
from policyengine.model.facts import Source
from policyengine.model.ids import BindingName
from policyengine.model.policy import Action, Binding, Mode, Phase, Policy, Rule, Waiver, WaiverTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundRule:
    """One rule under one binding; `binding` None where no binding matched. `passed` is its finding when it passes."""

    rule: Rule
    binding: BindingName | None
    mode: Mode
    action: Action
    finding: FindingTerms
    passed: Finding
    order: tuple[str, str]
    template: Template
    reads: tuple[str, ...]
    terms: WaiverTerms | None
    waivers: tuple[Waiver, ...]

    @property
    def enforced(self) -> Action:
        """The action that a finding which does not pass takes; `NOTIFY` where the binding enforces nothing."""
        return self.action if self.mode is Mode.ENFORCE else Action.NOTIFY


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rules of one policy under one binding that share a view of the facts, and their generated function."""

    phases: frozenset[Phase]
    need: Need
    rules: tuple[BoundRule, ...]
    paths: tuple[str, ...]
    evaluate: str
    flips: str | None
    unforeseeable: bool  # a rule reads `now` in a way whose changes cannot be foreseen
    common: bool  # the rules read only what devices share, and no time (answered.py)


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """The loaded functions of a block."""

    evaluate: Evaluate
    flips: Flips | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One policy under one binding."""

    policy: Policy
    binding: Binding | None
    blocks: tuple[Block, ...]


def reads_of(node: Node) -> tuple[str, ...]:
    """Return the dotted paths of the facts that `node` reads, as precisely as they can be named, sorted."""
    return tuple(sorted({".".join(path) for path in _reads(node)}))


def _reads(node: Node) -> Iterable[tuple[str, ...]]:
    named = _named(node)
    if named is not None:
        return [named]
    return [path for child in children(node) for path in _reads(child)]


def _named(node: Node) -> tuple[str, ...] | None:
    match node:
        case Fact():
            return node.path
        case Has() | Select():
            above = _named(node.operand)
            return above and (*above, node.name)
        case _:
            return None


def unit_of(space: Space, policy: Policy, binding: Binding | None, waivers: tuple[Waiver, ...], needs: Needs) -> Unit:
    """Compile `policy` under `binding` into `space`; raises UntranslatableError."""
    defaults = {name: spec.default for name, spec in policy.params.items()}
    space.params = defaults if binding is None else {**defaults, **binding.params}
    groups: dict[tuple[frozenset[Phase], Source | None, timedelta | None], list[BoundRule]] = {}
    for rule in policy.rules:
        need = rule.evidence
        groups.setdefault((rule.phases, need.minimum, need.fresh), []).append(_bound(policy, rule, binding, waivers))
    blocks = tuple(
        _block(space, phases, needs.of(minimum, fresh), tuple(rules))
        for (phases, minimum, fresh), rules in groups.items()
    )
    return Unit(policy=policy, binding=binding, blocks=blocks)


def _bound(policy: Policy, rule: Rule, binding: Binding | None, waivers: tuple[Waiver, ...]) -> BoundRule:
    name = None if binding is None else binding.name
    mode = Mode.AUDIT if binding is None else binding.mode
    action = Action.NOTIFY if binding is None else min(binding.action, policy.ceiling)
    terms = FindingTerms(
        rule=rule.name,
        policy_version=policy.version,
        binding=name,
        mode=mode,
        action=action,
        severity=policy.severity,
        remediation=rule.remediation,
        controls=policy.controls,
        place=rule.place,
    )
    return BoundRule(
        rule=rule,
        binding=name,
        mode=mode,
        action=action,
        finding=terms,
        passed=Finding(terms=terms, result=Result.PASS, reason="rule.true", decisive=Result.PASS),
        order=(rule.name, name or ""),
        template=Template(rule.message),
        reads=reads_of(rule.require),
        terms=waivable(policy, rule),
        waivers=tuple(waiver for waiver in waivers if rule.name in waiver.rules),
    )


def _block(
    space: Space,
    phases: frozenset[Phase],
    need: Need,
    rules: tuple[BoundRule, ...],
) -> Block:
    conditions = [bound.rule.require for bound in rules]
    paths = tuple(sorted({path for bound in rules for path in bound.reads}))
    return Block(
        phases=phases,
        need=need,
        rules=rules,
        paths=paths,
        evaluate=write_conditions(space, conditions),
        flips=write_flips(space, conditions),
        unforeseeable=any(flips.opaque(node) for node in conditions),
        common=is_common(paths) and is_timeless(conditions),
    )
