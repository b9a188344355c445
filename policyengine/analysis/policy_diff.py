"""What differs between two versions of one policy: its rules, params and terms, and which way each change goes.

A rule is tightened when nothing passes it that did not pass before, loosened when everything that passed still does.
What an unknown does (`onUnknown`) is a limit of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from policyengine.analysis.changes import About, Change, Subject, Verdict, paired, shown
from policyengine.analysis.condition_direction import Comparison
from policyengine.analysis.direction import (
    Direction,
    by_inclusion,
    by_limit,
    by_reach,
    by_size,
    of_param,
    together,
)
from policyengine.model.expression import Bind, Node
from policyengine.model.facts import Source
from policyengine.model.ids import RuleName
from policyengine.model.param_strictness import Growth, strictness
from policyengine.model.policy import EvidenceNeed, Fleet, Model, ParamSpec, Place, Policy, Rule, Tighter, WaiverTerms
from policyengine.model.selection import models_of

_NOWHERE = Place(file="", line=0)
_NO_RULE = RuleName("")


def policy_changes(old: Policy, new: Policy, fleet: Fleet) -> Iterator[Change]:
    """Yield what differs; names and places are not compared. Versions compare as on the models of `fleet` selected."""
    return _PolicyDiff(models=models_under(new, fleet)).changes(old, new)


def models_under(policy: Policy, fleet: Fleet) -> tuple[Model, ...]:
    """Return the fleet's models that `policy` may be about."""
    return tuple(fleet.models[name] for name in sorted(models_of(policy.select, fleet)))


def believed(spec: ParamSpec, *policies: Policy) -> Tighter | None:
    """Return the side on which `spec` says it is stricter, None unless the rules that read it bear that out."""
    found = {strictness(policy.rules, spec.name) for policy in policies} - {Growth.NONE}
    return spec.tighter if found <= {spec.tighter} else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _PolicyDiff:
    """Compares policies; `models` order versions."""

    models: tuple[Model, ...]

    def changes(self, old: Policy, new: Policy) -> Iterator[Change]:
        """Yield what differs between two versions of a policy."""
        about = About(subject=Subject.POLICY, name=new.name, party=new.owner, place=new.place)
        yield from about.wording("title", old.title, new.title)
        yield from about.aspect("severity", old.severity, new.severity, Direction.SAME)
        yield from about.aspect("controls", old.controls, new.controls, Direction.SAME)
        yield from _reach(about, old, new)
        higher = by_size(old.ceiling, new.ceiling, higher=Direction.TIGHTER)
        yield from about.aspect("ceiling", old.ceiling, new.ceiling, higher)
        yield from _terms(about, old.waivers, new.waivers)
        yield from self._params(old, new)
        yield from self._rules(old, new)

    def _params(self, old: Policy, new: Policy) -> Iterator[Change]:
        found = paired(old.params, new.params, lambda spec: spec.name)
        for name in found.removed:
            yield _about_param(new, name).whole(Verdict.REMOVED, Direction.SAME)
        for name in found.added:
            yield _about_param(new, name).whole(Verdict.ADDED, Direction.SAME)
        for name in found.kept:
            tighter = believed(old.params[name], old, new)
            yield from self._param(_about_param(new, name), old.params[name], new.params[name], tighter)

    def _param(self, about: About, old: ParamSpec, new: ParamSpec, tighter: Tighter | None) -> Iterator[Change]:
        yield from about.aspect("type", old.type, new.type, Direction.UNDECIDED)
        if old.type == new.type:
            direction = of_param(new.type, tighter, old.default, new.default, self.models)
            yield from about.aspect("default", old.default, new.default, direction)
        yield from about.aspect("tighter", old.tighter, new.tighter, Direction.UNDECIDED)
        yield from about.aspect("tunable_by", old.tunable_by, new.tunable_by, Direction.UNDECIDED)

    def _rules(self, old: Policy, new: Policy) -> Iterator[Change]:
        before, after = {rule.id: rule for rule in old.rules}, {rule.id: rule for rule in new.rules}
        found = paired(before, after, _content)
        for name in found.removed:
            yield _about_rule(old, before[name]).whole(Verdict.REMOVED, Direction.LOOSER)
        for name in found.added:
            yield _about_rule(new, after[name]).whole(Verdict.ADDED, Direction.TIGHTER)
        for earlier, later in found.renamed:
            about = _about_rule(new, after[later])
            yield about.whole(Verdict.RENAMED, Direction.SAME, old=before[earlier].name, new=after[later].name)
        for name in found.kept:
            yield from self._rule(_about_rule(new, after[name]), before[name], after[name])

    def _rule(self, about: About, old: Rule, new: Rule) -> Iterator[Change]:
        direction = Comparison(models=self.models).direction(old.require, new.require)
        if direction is not Direction.SAME:
            texts = (
                (old.require, new.require) if _lets(old.require) == _lets(new.require) else (_whole(old), _whole(new))
            )
            yield from about.aspect("require", texts[0], texts[1], direction)
        yield from _evidence(about, old.evidence, new.evidence)
        phases = tuple(sorted(phase.value for phase in old.phases)), tuple(sorted(phase.value for phase in new.phases))
        yield from about.aspect("phases", phases[0], phases[1], by_inclusion(*phases, more=Direction.TIGHTER))
        yield from about.wording("message", old.message, new.message)
        yield from about.wording("remediation", old.remediation, new.remediation)


def _about_param(policy: Policy, name: str) -> About:
    return About(subject=Subject.PARAM, name=f"{policy.name} params.{name}", party=policy.owner, place=policy.place)


def _about_rule(policy: Policy, rule: Rule) -> About:
    return About(subject=Subject.RULE, name=rule.name, party=policy.owner, place=rule.place)


def _content(rule: Rule) -> Rule:
    """Return `rule` without its name and place: what it says."""
    return replace(rule, id="", name=_NO_RULE, place=_NOWHERE, text="")


def content_of(policy: Policy) -> object:
    """Return what `policy` says, without its name, version, owner and place."""
    return (
        *(policy.severity, policy.controls, policy.select, policy.exclude, policy.ceiling, policy.waivers),
        *(tuple(policy.params.items()), tuple((rule.id, _content(rule)) for rule in policy.rules)),
    )


def _lets(node: Node) -> dict[str, Node]:
    """Return the lets that `node` is wrapped in."""
    found = {}
    while isinstance(node, Bind) and node.name.startswith("let."):
        found[node.name] = node.value
        node = node.body
    return found


def _whole(rule: Rule) -> str:
    """Return the rule's condition with the lets that it uses: which of them changed does not show otherwise."""
    lets = "".join(f", {name} = {shown(value)}" for name, value in _lets(rule.require).items())
    return shown(rule.require) + lets


def _reach(about: About, old: Policy, new: Policy) -> Iterator[Change]:
    """Yield how the devices changed that the policy is about: those selected, less the excluded."""
    yield from about.aspect("select", old.select, new.select, by_reach(old.select, new.select))
    before, after = old.exclude, new.exclude
    if before is None or after is None:
        direction = Direction.LOOSER if before is None else Direction.TIGHTER
    else:
        direction = by_reach(before, after).opposite()
    yield from about.aspect("exclude", before, after, direction)


def _evidence(about: About, old: EvidenceNeed, new: EvidenceNeed) -> Iterator[Change]:
    weakest = old.minimum or Source.DECLARED, new.minimum or Source.DECLARED
    yield from about.aspect("evidence.min", old.minimum, new.minimum, by_size(*weakest, higher=Direction.TIGHTER))
    yield from about.aspect(
        "evidence.fresh", old.fresh, new.fresh, by_limit(old.fresh, new.fresh, longer=Direction.LOOSER)
    )
    yield from about.aspect("evidence.onUnknown", _hold(old), _hold(new), _hold_direction(old, new))


def _hold(need: EvidenceNeed) -> object:
    return "act" if need.hold is None else {"hold": need.hold}


def _hold_direction(old: EvidenceNeed, new: EvidenceNeed) -> Direction:
    if old.hold is None or new.hold is None:
        return Direction.LOOSER if old.hold is None else Direction.TIGHTER
    return by_size(old.hold, new.hold, higher=Direction.LOOSER)


def _terms(about: About, old: WaiverTerms | None, new: WaiverTerms | None) -> Iterator[Change]:
    """Yield how exceptions became easier (looser) or harder to get."""
    if old is None or new is None:
        direction = Direction.LOOSER if old is None else Direction.TIGHTER
        yield from about.aspect("waivers", old and _term_texts(old), new and _term_texts(new), direction)
        return
    parts = (
        by_size(old.maximum, new.maximum, higher=Direction.LOOSER),
        by_inclusion(old.approvals, new.approvals, more=Direction.TIGHTER),
        by_size(old.unknown, new.unknown, higher=Direction.LOOSER),
    )
    yield from about.aspect("waivers", _term_texts(old), _term_texts(new), together(parts))


def _term_texts(terms: WaiverTerms) -> dict[str, object]:
    return {"approvals": terms.approvals, "max": terms.maximum, "unknown": terms.unknown}
