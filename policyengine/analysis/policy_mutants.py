"""Policies with one small mistake in them: in a condition, a param, an evidence limit or a binding.

The result is a policy and its bindings, and what was changed, in words. Only changes that a policy test can see: a
binding that changes no tier, or a param that nothing reads, is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from policyengine.analysis.condition_mutants import mutants_of
from policyengine.analysis.neighbours import below_and_above, length_text, lengths
from policyengine.model.expression import Param, walk
from policyengine.model.facts import Source
from policyengine.model.policy import Action, Binding, EvidenceNeed, Mode, ParamSpec, Place, Policy, Rule

LONGEST_HOLD = timedelta(days=7)  # DESIGN section 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a change is: below `place` at the YAML path `below`, or at character `offset` of a condition or let."""

    place: Place
    below: tuple[str, ...] = ()
    rule: Rule | None = None
    let: str | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A changed policy under its bindings; `rule` is the id of the rule that was changed, None for all of them."""

    policy: Policy
    bindings: tuple[Binding, ...]
    rule: str | None
    original: str
    mutated: str
    hint: str
    site: Site


def mutants_of_policy(policy: Policy, bindings: Sequence[Binding]) -> tuple[Mutant, ...]:
    """Return every change to `policy` and its own `bindings`, always in the same order."""
    own = tuple(bindings)
    acts = any(binding.mode is Mode.ENFORCE and binding.action > Action.NOTIFY for binding in own)
    rules = (mutant for rule in policy.rules for mutant in _of_rule(policy, rule, own, acts=acts))
    return (*rules, *_of_params(policy, own), *_of_bindings(policy, own))


def _of_rule(policy: Policy, rule: Rule, bindings: tuple[Binding, ...], *, acts: bool) -> Iterator[Mutant]:
    for change in mutants_of(rule.require):
        yield Mutant(
            policy=_with_rule(policy, replace(rule, require=change.condition)),
            bindings=bindings,
            rule=rule.id,
            original=change.original,
            mutated=change.mutated,
            hint=change.hint,
            site=Site(place=rule.place, rule=rule, let=change.let, offset=change.offset),
        )
    for key, evidence, words, hint in _evidence(rule.evidence, acts=acts):
        yield Mutant(
            policy=_with_rule(policy, replace(rule, evidence=evidence)),
            bindings=bindings,
            rule=rule.id,
            original=words[0],
            mutated=words[1],
            hint=hint,
            site=Site(place=rule.place, below=("evidence", key)),
        )


def _with_rule(policy: Policy, rule: Rule) -> Policy:
    return replace(policy, rules=tuple(rule if one.id == rule.id else one for one in policy.rules))


_Evidence = tuple[str, EvidenceNeed, tuple[str, str], str]


def _evidence(need: EvidenceNeed, *, acts: bool) -> Iterator[_Evidence]:
    """Yield key, changed need, both in words, and the hint; holds only where some binding acts."""
    if need.minimum is not None:
        for other in (source for source in Source if abs(source - need.minimum) == 1):
            words = (f"min: {need.minimum.name.lower()}", f"min: {other.name.lower()}")
            weaker = min(other, need.minimum).name.lower()
            yield "min", replace(need, minimum=other), words, f"a device whose evidence is only `{weaker}`"
    if need.fresh is not None:
        hint = f"evidence exactly {length_text(need.fresh)} old, and evidence a little younger"
        for length in lengths(need.fresh):
            words = (f"fresh: {length_text(need.fresh)}", f"fresh: {length_text(length)}")
            yield "fresh", replace(need, fresh=length), words, hint
    if acts:
        yield from _holds(need)


def _holds(need: EvidenceNeed) -> Iterator[_Evidence]:
    written = _hold_text(need.hold)
    if need.hold is None:
        hint = "the tier of a device that went quiet after a good decision (`prior`)"
        yield "onUnknown", replace(need, hold=LONGEST_HOLD), (written, _hold_text(LONGEST_HOLD)), hint
        return
    hint = f"tiers of devices that have been quiet (`prior`) for {length_text(need.hold)}, and for a little less"
    for hold in (None, *(length for length in lengths(need.hold) if length <= LONGEST_HOLD)):
        yield "onUnknown", replace(need, hold=hold), (written, _hold_text(hold)), hint


def _hold_text(hold: timedelta | None) -> str:
    return "onUnknown: act" if hold is None else f"onUnknown: {{hold: {length_text(hold)}}}"


def _of_params(policy: Policy, bindings: tuple[Binding, ...]) -> Iterator[Mutant]:
    """Yield defaults next to what is written, also in the bindings that leave the param at its default."""
    read = {node.name for rule in policy.rules for node in walk(rule.require) if isinstance(node, Param)}
    for name, spec in policy.params.items():
        is_default = not bindings or any(binding.params.get(name) == spec.default for binding in bindings)
        if name in read and is_default:
            for value in below_and_above(spec.default, spec.type):
                yield _param_mutant(policy, bindings, spec, value)


def _param_mutant(policy: Policy, bindings: tuple[Binding, ...], spec: ParamSpec, value: object) -> Mutant:
    changed = {**policy.params, spec.name: replace(spec, default=value)}
    return Mutant(
        policy=replace(policy, params=changed),
        bindings=tuple(_tuned(binding, spec, value) for binding in bindings),
        rule=None,
        original=f"params.{spec.name} = {_value_text(spec.default)}",
        mutated=f"params.{spec.name} = {_value_text(value)}",
        hint=f"a device exactly at `params.{spec.name}` of {_value_text(spec.default)}, and one just beside it",
        site=Site(place=policy.place, below=("spec", "params", spec.name, "default")),
    )


def _tuned(binding: Binding, spec: ParamSpec, value: object) -> Binding:
    is_default = binding.params.get(spec.name) == spec.default
    return replace(binding, params={**binding.params, spec.name: value}) if is_default else binding


def _value_text(value: object) -> str:
    return f"[{', '.join(map(_value_text, value))}]" if isinstance(value, tuple) else str(value)


def _of_bindings(policy: Policy, bindings: tuple[Binding, ...]) -> Iterator[Mutant]:
    for position, binding in enumerate(bindings):
        for key, changed, words in _binding_changes(policy, binding):
            yield Mutant(
                policy=policy,
                bindings=(*bindings[:position], changed, *bindings[position + 1 :]),
                rule=None,
                original=words[0],
                mutated=words[1],
                hint=f"the tier of a device that fails under {binding.name} and no other binding",
                site=Site(place=binding.place, below=("spec", key)),
            )


def _binding_changes(policy: Policy, binding: Binding) -> Iterator[tuple[str, Binding, tuple[str, str]]]:
    """Yield key, changed binding, and both in words; nothing for a binding whose action changes no tier."""
    effective = min(binding.action, policy.ceiling)
    if effective is Action.NOTIFY:
        return
    other = Mode.WARN if binding.mode is Mode.ENFORCE else Mode.ENFORCE
    yield "mode", replace(binding, mode=other), (f"mode: {binding.mode.value}", f"mode: {other.value}")
    if binding.mode is Mode.ENFORCE:
        for action in Action:
            if abs(action - effective) == 1 and action <= policy.ceiling:
                words = (f"action: {effective.name.lower()}", f"action: {action.name.lower()}")
                yield "action", replace(binding, action=action), words
