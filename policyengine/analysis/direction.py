"""Which way a change goes: what passed before and no longer does, or the other way round.

TIGHTER means that nothing passes now that did not pass before, LOOSER that everything that passed still does. Where
that cannot be decided from the documents alone, the answer is UNDECIDED, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import Enum
from typing import Any

from policyengine.model.policy import Model, Selector, Tighter
from policyengine.model.selection import Allowed, allowed
from policyengine.model.times import InvalidTimeError, parse_duration, parse_moment
from policyengine.model.types import Kind, Type
from policyengine.model.version import VersionError, key_function


class Direction(Enum):
    """Which way a change goes."""

    SAME = "same"
    TIGHTER = "tighter"
    LOOSER = "looser"
    UNDECIDED = "undecided"

    def opposite(self) -> Direction:
        """Return the direction of the same change seen from its other side."""
        return {Direction.TIGHTER: Direction.LOOSER, Direction.LOOSER: Direction.TIGHTER}.get(self, self)


def together(directions: Iterable[Direction]) -> Direction:
    """Return the direction of several changes that hold at once; opposite ones are undecided."""
    found = {direction for direction in directions if direction is not Direction.SAME}
    return Direction.SAME if not found else found.pop() if len(found) == 1 else Direction.UNDECIDED


def by_inclusion(old: Iterable[object], new: Iterable[object], *, more: Direction) -> Direction:
    """Return the direction of a set's change, where having more items is `more`."""
    before, after = frozenset(old), frozenset(new)
    if before == after:
        return Direction.SAME
    if before < after:
        return more
    return more.opposite() if after < before else Direction.UNDECIDED


def by_size(old: Any, new: Any, *, higher: Direction) -> Direction:
    """Return the direction of an ordered value's change, where a higher one is `higher`."""
    if old == new:
        return Direction.SAME
    return higher if old < new else higher.opposite()


def by_limit(old: timedelta | None, new: timedelta | None, *, longer: Direction) -> Direction:
    """Return the direction of a limit's change, where a longer one is `longer` and none is the longest."""
    if old == new:
        return Direction.SAME
    if old is None or new is None:
        return longer if new is None else longer.opposite()
    return by_size(old, new, higher=longer)


def by_reach(old: Selector, new: Selector) -> Direction:
    """Return the direction of a selector's change, where selecting more devices is tighter.

    Key by key, over values; what the fleet's models make of `class` and `vendor` is not asked.
    """
    before, after = allowed(old), allowed(new)
    keys = before.keys() | after.keys()
    limits = [(before.get(key, Allowed()), after.get(key, Allowed())) for key in keys]
    wider = all(one.is_within(other) for one, other in limits)
    narrower = all(other.is_within(one) for one, other in limits)
    if wider and narrower:
        return Direction.SAME
    return Direction.TIGHTER if wider else Direction.LOOSER if narrower else Direction.UNDECIDED


def of_param(kind: Type, tighter: Tighter | None, old: object, new: object, models: Iterable[Model]) -> Direction:
    """Return the direction of a param's change; undecided without `tighter`, and where versions do not compare."""
    if old == new:
        return Direction.SAME
    if tighter is None:
        return Direction.UNDECIDED
    higher = Direction.TIGHTER if tighter is Tighter.HIGHER else Direction.LOOSER
    return by_value(kind, old, new, higher=higher, models=models)


def by_value(kind: Type, old: Any, new: Any, *, higher: Direction, models: Iterable[Model]) -> Direction:
    """Return the direction of a typed value's change, where a higher one is `higher`; for a list, more items are."""
    try:
        match kind.kind:
            case Kind.LIST:
                return by_inclusion(old, new, more=higher)
            case Kind.VERSION:
                return _by_version(old, new, higher=higher, models=models)
            case Kind.DURATION | Kind.TIMESTAMP:
                read: Callable[[str], Any] = parse_duration if kind.kind is Kind.DURATION else parse_moment
                return by_size(read(old), read(new), higher=higher)
            case Kind.BOOL | Kind.INT | Kind.UINT | Kind.DOUBLE:
                return by_size(old, new, higher=higher)
            case _:
                return Direction.UNDECIDED
    except InvalidTimeError:
        return Direction.UNDECIDED


def _by_version(old: str, new: str, *, higher: Direction, models: Iterable[Model]) -> Direction:
    """Return the direction under the version schemes of all `models`; undecided where they disagree."""
    schemes = {(model.version_scheme, model.versions) for model in models}
    try:
        keys = [key_function(*scheme) for scheme in sorted(schemes)]
        found = {by_size(key(old), key(new), higher=higher) for key in keys}
    except VersionError:
        return Direction.UNDECIDED
    return found.pop() if len(found) == 1 else Direction.UNDECIDED
