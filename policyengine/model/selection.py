"""Selectors as sets: which devices two selectors share, and whether one stays inside another.

`model`, `class` and `vendor` are compared through the fleet's models, every other key by its values alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policyengine.model.policy import Clause, Fleet, Model, Selector

MODEL_KEYS = frozenset({"model", "class", "vendor"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The values that one key may have: those in `inside` (None: any) but none of `outside`."""

    inside: frozenset[str] | None = None
    outside: frozenset[str] = frozenset()

    def holds(self, value: str) -> bool:
        """Return whether `value` is allowed."""
        return value not in self.outside and (self.inside is None or value in self.inside)

    def narrowed(self, clause: Clause) -> Allowed:
        """Return what remains when `clause` must hold too."""
        values = frozenset(clause.values)
        if clause.negated:
            return Allowed(inside=self.inside, outside=self.outside | values)
        return Allowed(inside=values if self.inside is None else self.inside & values, outside=self.outside)

    @property
    def remaining(self) -> frozenset[str] | None:
        """The allowed values, or None when they cannot be listed."""
        return None if self.inside is None else self.inside - self.outside

    def is_within(self, other: Allowed) -> bool:
        """Return whether every value allowed here is allowed by `other`."""
        if self.remaining is not None:
            return all(other.holds(value) for value in self.remaining)
        return other.inside is None and other.outside <= self.outside


def allowed(selector: Selector) -> dict[str, Allowed]:
    """Return what `selector` allows for each key that it names."""
    found: dict[str, Allowed] = {}
    for clause in selector.clauses:
        found[clause.key] = found.get(clause.key, Allowed()).narrowed(clause)
    return found


def models_of(selector: Selector, fleet: Fleet) -> frozenset[str]:
    """Return the fleet's models that `selector` admits, whatever its other keys say."""
    limits = allowed(selector)
    return frozenset(name for name, model in fleet.models.items() if _admits(limits, model))


def _admits(limits: dict[str, Allowed], model: Model) -> bool:
    facts = {"model": model.name, "class": model.device_class, "vendor": model.vendor}
    return all(limits[key].holds(value) for key, value in facts.items() if key in limits)


def intersection(*selectors: Selector) -> Selector:
    """Return the selector whose clauses are those of all `selectors`, one `in` and one `not_in` a key at most."""
    clauses: list[Clause] = []
    both = allowed(Selector(clauses=tuple(clause for one in selectors for clause in one.clauses)))
    for key, limit in sorted(both.items()):
        if limit.remaining is not None:
            clauses.append(Clause(key=key, values=tuple(sorted(limit.remaining))))
        elif limit.outside:
            clauses.append(Clause(key=key, values=tuple(sorted(limit.outside)), negated=True))
    return Selector(clauses=tuple(clauses))


def selects_nothing(selector: Selector, fleet: Fleet) -> bool:
    """Return whether no device of `fleet` can match `selector`."""
    limits = allowed(selector)
    if any(limit.remaining == frozenset() for limit in limits.values()):
        return True
    return _names_models(limits) and not models_of(selector, fleet)


def is_within(inner: Selector, outer: Selector, fleet: Fleet) -> bool:
    """Return whether every device that matches `inner` is sure to match `outer`."""
    inside, outside = allowed(inner), allowed(outer)
    if _names_models(outside) and not models_of(inner, fleet) <= models_of(outer, fleet):
        return False
    others = (key for key in outside if key not in MODEL_KEYS)
    return all(inside.get(key, Allowed()).is_within(outside[key]) for key in others)


def leaves_nothing(selector: Selector, exclude: Selector | None, fleet: Fleet) -> bool:
    """Return whether no device of `fleet` can match `selector` and not `exclude`."""
    excluded = exclude is not None and is_within(selector, exclude, fleet)
    return excluded or selects_nothing(selector, fleet)


def _names_models(keys: Iterable[str]) -> bool:
    return not MODEL_KEYS.isdisjoint(keys)
