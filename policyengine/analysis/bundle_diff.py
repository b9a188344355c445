"""What differs between two bundles in what they mean: never in where it stands, or in how its text is laid out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from policyengine.analysis.changes import About, Change, Subject, Verdict, paired
from policyengine.analysis.direction import Direction, by_inclusion, by_reach, by_size, of_param, together
from policyengine.analysis.document_diff import (
    anchor_changes,
    fleet_changes,
    named,
    nobody,
    profile_and_value_changes,
)
from policyengine.analysis.policy_diff import believed, content_of, models_under, policy_changes
from policyengine.model.ids import BindingName, PolicyName
from policyengine.model.policy import Binding, Bundle, Fleet, Mode, Party, Place, Policy, Waiver
from policyengine.model.types import Type

_MODES = (Mode.AUDIT, Mode.WARN, Mode.ENFORCE)
_NOWHERE = Place(file="", line=0)


def changes_between(old: Bundle, new: Bundle) -> tuple[Change, ...]:
    """Return every difference between `old` and `new`, by subject and name."""
    names = _renamed_policies(old, new)
    return (
        *fleet_changes(old.fleet, new.fleet),
        *named(Subject.PARTY, _parties(old), _parties(new), nobody, Direction.UNDECIDED),
        *_policies(old, new),
        *_bindings(old, new, names),
        *_waivers(old, new, names),
        *anchor_changes(old, new),
        *profile_and_value_changes(old, new),
        *named(Subject.CONTROL, old.controls, new.controls, nobody, Direction.SAME),
        *named(Subject.FACT, _facts(old), _facts(new), nobody, Direction.UNDECIDED),
    )


def _parties(bundle: Bundle) -> dict[str, Party]:
    return {str(name): party for name, party in bundle.parties.items()}


def _facts(bundle: Bundle) -> dict[str, Type]:
    return {f"org.{name}": kind for name, kind in bundle.org_facts.items()}


def _renamed_policies(old: Bundle, new: Bundle) -> dict[PolicyName, PolicyName]:
    found = paired(_by_name(old), _by_name(new), content_of)
    return {PolicyName(earlier): PolicyName(later) for earlier, later in found.renamed}


def _by_name(bundle: Bundle) -> dict[str, Policy]:
    return {str(name): policy for name, policy in bundle.policies.items()}


def _policies(old: Bundle, new: Bundle) -> Iterator[Change]:
    before, after = _by_name(old), _by_name(new)
    found = paired(before, after, content_of)
    for name in found.removed:
        yield _about_policy(before[name]).whole(Verdict.REMOVED, Direction.LOOSER)
    for name in found.added:
        yield _about_policy(after[name]).whole(Verdict.ADDED, Direction.TIGHTER)
    for earlier, later in found.renamed:
        yield from _renamed(_about_policy(before[earlier]), _about_policy(after[later]))
    for name in found.kept:
        yield from policy_changes(before[name], after[name], new.fleet)


def _renamed(old: About, new: About) -> Iterator[Change]:
    """Yield that a thing has a new name; one that went to another party is a loss of the old one's, who must agree."""
    if old.party == new.party:
        yield new.whole(Verdict.RENAMED, Direction.SAME, old=old.name, new=new.name)
        return
    for about in (old, new):
        yield about.whole(Verdict.RENAMED, Direction.UNDECIDED, old=old.name, new=new.name)


def _about_policy(policy: Policy) -> About:
    return About(subject=Subject.POLICY, name=policy.name, party=policy.owner, place=policy.place)


def _bindings(old: Bundle, new: Bundle, names: Mapping[PolicyName, PolicyName]) -> Iterator[Change]:
    before = {str(one.name): replace(one, policy=names.get(one.policy, one.policy)) for one in old.bindings}
    after = {str(one.name): one for one in new.bindings}
    found = paired(before, after, lambda one: replace(one, name=BindingName(""), place=_NOWHERE))
    for name in found.removed:
        yield _about_binding(before[name]).whole(Verdict.REMOVED, Direction.LOOSER)
    for name in found.added:
        yield _about_binding(after[name]).whole(Verdict.ADDED, Direction.TIGHTER)
    for earlier, later in found.renamed:
        yield from _renamed(_about_binding(before[earlier]), _about_binding(after[later]))
    for name in found.kept:
        yield from _binding(before[name], after[name], old, new)


def _about_binding(binding: Binding) -> About:
    party, _, _ = binding.name.partition("/")
    return About(subject=Subject.BINDING, name=binding.name, party=party, place=binding.place)


def _binding(old: Binding, new: Binding, before: Bundle, after: Bundle) -> Iterator[Change]:
    about = _about_binding(new)
    yield from about.aspect("policy", old.policy, new.policy, Direction.UNDECIDED)
    yield from about.aspect("where", old.where, new.where, by_reach(old.where, new.where))
    modes = by_size(_MODES.index(old.mode), _MODES.index(new.mode), higher=Direction.TIGHTER)
    yield from about.aspect("mode", old.mode, new.mode, modes)
    yield from about.aspect("action", old.action, new.action, by_size(old.action, new.action, higher=Direction.TIGHTER))
    yield from about.aspect("caps", old.caps, new.caps, _caps(old.caps, new.caps))
    if old.policy == new.policy:
        yield from _tuned(about, old, new, before.policies.get(old.policy), after.policies.get(new.policy), after.fleet)


def _tuned(
    about: About, old: Binding, new: Binding, before: Policy | None, after: Policy | None, fleet: Fleet
) -> Iterator[Change]:
    """Yield the params that the binding itself sets otherwise than before; a default's change is the policy's."""
    if before is None or after is None:
        return
    for name in sorted(new.params.keys() & old.params.keys() & before.params.keys() & after.params.keys()):
        spec, first, second = after.params[name], old.params[name], new.params[name]
        if (first, second) != (before.params[name].default, spec.default):
            tighter = believed(spec, before, after)
            direction = of_param(spec.type, tighter, first, second, models_under(after, fleet))
            yield from about.aspect(f"params.{name}", first, second, direction)


def _caps(old: Mapping[str, int], new: Mapping[str, int]) -> Direction:
    """Return the direction of caps: a cap delays actions, so fewer or higher ones are tighter."""
    missing = max((*old.values(), *new.values(), 0)) + 1
    keys = old.keys() | new.keys()
    return together(by_size(old.get(key, missing), new.get(key, missing), higher=Direction.TIGHTER) for key in keys)


def _waivers(old: Bundle, new: Bundle, names: Mapping[PolicyName, PolicyName]) -> Iterator[Change]:
    before = {str(one.name): replace(one, policy=names.get(one.policy, one.policy)) for one in old.waivers}
    after = {one.name: one for one in new.waivers}
    found = paired(before, after, lambda one: replace(one, name="", place=_NOWHERE))
    for name in found.removed:
        yield _about_waiver(before[name], new).whole(Verdict.REMOVED, Direction.TIGHTER)
    for name in found.added:
        yield _about_waiver(after[name], new).whole(Verdict.ADDED, Direction.LOOSER)
    for earlier, later in found.renamed:
        yield _about_waiver(after[later], new).whole(Verdict.RENAMED, Direction.SAME, old=earlier, new=later)
    for name in found.kept:
        yield from _waiver(_about_waiver(after[name], new), before[name], after[name])


def _about_waiver(waiver: Waiver, bundle: Bundle) -> About:
    policy = bundle.policies.get(waiver.policy)
    party = waiver.policy.partition("/")[0] if policy is None else policy.owner
    return About(subject=Subject.WAIVER, name=waiver.name, party=party, place=waiver.place)


def _waiver(about: About, old: Waiver, new: Waiver) -> Iterator[Change]:
    yield from about.aspect("policy", old.policy, new.policy, Direction.UNDECIDED)
    yield from about.aspect("rules", old.rules, new.rules, by_inclusion(old.rules, new.rules, more=Direction.LOOSER))
    yield from about.aspect("where", old.where, new.where, by_reach(old.where, new.where).opposite())
    yield from about.aspect(
        "expires", old.expires, new.expires, by_size(old.expires, new.expires, higher=Direction.LOOSER)
    )
    yield from about.aspect("approvals", old.approvals, new.approvals, Direction.SAME)
    yield from about.wording("reason", old.reason, new.reason)
    yield from about.wording("ticket", old.ticket, new.ticket)
    yield from about.wording("compensatingControl", old.compensating_control, new.compensating_control)
