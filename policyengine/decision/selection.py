"""Where a rule applies: selectors over `device.*`, three-valued; what cannot be decided never skips a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policyengine.decision.views import Views
from policyengine.model.facts import Facts, Source
from policyengine.model.policy import Binding, Policy, Selector

Answer = bool | None  # None: cannot be decided


def identity(facts: Facts, views: Views) -> dict[str, str]:
    """Return the selector keys of a device and their values: registry and certified identity.

    What the device only reports of itself is left out, so that no device chooses its own policies.
    """
    keys = {"device": str(facts.device_id)}
    device, provenance = facts.values.get("device"), facts.provenance
    if not isinstance(device, dict):
        return keys
    for name, key in zip(device, views.prefixes("device", tuple(device)), strict=True):
        if key is None or provenance[key].source is Source.REPORTED:
            continue
        value = device[name]
        if type(value) is str:
            keys[name] = value
        elif isinstance(value, dict):
            keys.update((f"{name}.{inner}", text) for inner, text in value.items())
    return keys


def selects(selector: Selector, keys: Mapping[str, str | None]) -> Answer:
    """Return whether every clause of `selector` holds."""
    answer: Answer = True
    for clause in selector.clauses:
        value = keys.get(clause.key)
        if value is None:
            answer = None
        elif (value in clause.values) is clause.negated:
            return False
    return answer


def applies(policy: Policy, keys: Mapping[str, str | None]) -> Answer:
    """Return whether `policy` applies: selected, in its owner's scope, not excluded."""
    excluded = False if policy.exclude is None else selects(policy.exclude, keys)
    return conjunction(selects(policy.select, keys), selects(policy.scope, keys), _negated(excluded))


def _negated(answer: Answer) -> Answer:
    return None if answer is None else not answer


def conjunction(*answers: Answer) -> Answer:
    """Return the three-valued conjunction of `answers`."""
    if False in answers:
        return False
    return None if None in answers else True


def keys_read(policies: Iterable[Policy], bindings: tuple[Binding, ...]) -> tuple[str, ...]:
    """Return the selector keys that decide which rules apply, sorted."""
    selectors = [binding.where for binding in bindings]
    for policy in policies:
        selectors += [policy.select, policy.scope, policy.exclude or Selector()]
    return tuple(sorted({clause.key for selector in selectors for clause in selector.clauses}))
