"""Whether one condition is stricter than another, from their shapes: monotone in every part that is looked at.

Two conditions are laid side by side. Where they differ, the difference must be one whose direction is known (a limit
moved, an item or an operand more or less); it is turned round under `!`. Anything else is undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policyengine.analysis.direction import Direction, by_inclusion, by_value, together
from policyengine.model.expression import (
    And,
    Bind,
    Call,
    Comprehension,
    Conditional,
    ListOf,
    Literal,
    Macro,
    Node,
    Or,
    walk,
)
from policyengine.model.policy import Model
from policyengine.model.types import BOOL, VERSION, Kind, Type

_HIGHER_IS = {
    "_>=_": Direction.TIGHTER,
    "_>_": Direction.TIGHTER,
    "_<=_": Direction.LOOSER,
    "_<_": Direction.LOOSER,
    "atLeast": Direction.TIGHTER,
    "below": Direction.LOOSER,
}
_MIRRORED = {"_>=_": "_<=_", "_>_": "_<_", "_<=_": "_>=_", "_<_": "_>_"}
_STRICT = {"_>=_": "_>_", "_<=_": "_<_"}
_VERSION_TESTS = frozenset({"atLeast", "below"})
_MONOTONE = (Macro.ALL, Macro.EXISTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What conditions are compared under: the models whose version schemes order versions."""

    models: tuple[Model, ...]

    def direction(self, old: Node, new: Node) -> Direction:
        """Return which way `new` goes from `old`."""
        if _zeros(old) != _zeros(new):
            return Direction.UNDECIDED
        if old == new:
            return Direction.SAME
        match old, new:
            case (And() | Or(), _) | (_, And() | Or()):
                return self._junctions(old, new)
            case Bind(), Bind():
                return self._binds(old, new)
            case Conditional(), Conditional() if old.condition == new.condition:
                return together((self.direction(old.then, new.then), self.direction(old.otherwise, new.otherwise)))
            case Comprehension(), Comprehension():
                return self._comprehensions(old, new)
            case Call(function="!_", arguments=(before,)), Call(function="!_", arguments=(after,)):
                return self.direction(before, after).opposite()
            case Call(), Call():
                return self._calls(old, new)
            case _:
                return Direction.UNDECIDED

    def _binds(self, old: Bind, new: Bind) -> Direction:
        is_same = old.name == new.name and old.value == new.value
        return self.direction(old.body, new.body) if is_same else Direction.UNDECIDED

    def _comprehensions(self, old: Comprehension, new: Comprehension) -> Direction:
        alike = (old.macro, old.range, old.variables, old.condition) == (
            new.macro,
            new.range,
            new.variables,
            new.condition,
        )
        return self.direction(old.body, new.body) if alike and old.macro in _MONOTONE else Direction.UNDECIDED

    def _junctions(self, old: Node, new: Node) -> Direction:
        """Return the direction of operands that came, went, or changed: first of `&&`, then of `||`."""
        for form, more in ((And, Direction.TIGHTER), (Or, Direction.LOOSER)):
            if isinstance(old, form) or isinstance(new, form):
                found = self._operands(_operands(old, form), _operands(new, form), more)
                if found is not Direction.UNDECIDED:
                    return found
        return Direction.UNDECIDED

    def _operands(self, old: Sequence[Node], new: Sequence[Node], more: Direction) -> Direction:
        gone, come = _without(old, new), _without(new, old)
        if not gone or not come:
            return more if come else more.opposite() if gone else Direction.SAME
        if len(gone) != len(come):
            return Direction.UNDECIDED
        return together(self.direction(before, after) for before, after in zip(gone, come, strict=True))

    def _calls(self, old: Call, new: Call) -> Direction:
        before, after = _normal(old), _normal(new)
        if len(before.arguments) != 2 or len(after.arguments) != 2 or before.arguments[0] != after.arguments[0]:
            return Direction.UNDECIDED
        items = _items(before), _items(after)
        if items[0] is not None and items[1] is not None:
            return by_inclusion(items[0], items[1], more=Direction.LOOSER)
        if before.arguments[1] == after.arguments[1]:
            return _sharpened(before.function, after.function)
        if before.function != after.function or before.function not in _HIGHER_IS:
            return Direction.UNDECIDED
        return self._limits(before, after)

    def _limits(self, old: Call, new: Call) -> Direction:
        before, after = _constant(old), _constant(new)
        if before is None or after is None or before[0] != after[0]:
            return Direction.UNDECIDED
        return by_value(before[0], before[1], after[1], higher=_HIGHER_IS[old.function], models=self.models)


def _zeros(node: Node) -> int:
    """Return how many zeros in `node` are negative: -0.0 equals 0.0, and differs as a divisor."""
    return sum(1 for one in walk(node) if isinstance(one, Literal) and repr(one.value) == "-0.0")


def _operands(node: Node, form: type[And] | type[Or]) -> Sequence[Node]:
    return node.operands if isinstance(node, form) else (node,)


def _without(nodes: Iterable[Node], others: Iterable[Node]) -> list[Node]:
    """Return `nodes` less `others`, as often as they occur."""
    left = list(others)
    kept = []
    for node in nodes:
        if node in left:
            left.remove(node)
        else:
            kept.append(node)
    return kept


def _normal(call: Call) -> Call:
    """Return `call` with a constant on the left of a comparison moved to the right."""
    if call.function in _MIRRORED and isinstance(call.arguments[0], Literal):
        left, right = call.arguments
        return Call(function=_MIRRORED[call.function], arguments=(right, left), type=BOOL)
    return call


def _items(call: Call) -> frozenset[Node] | None:
    """Return what the first argument may be: the items of an `in` over constants, or the one of `==`."""
    match call.function, call.arguments:
        case "_==_", (_, Literal() as only):
            return frozenset({only})
        case "@in", (_, ListOf(items=items, optional=optional)):
            return frozenset(items) if not optional and all(isinstance(item, Literal) for item in items) else None
        case _:
            return None


def _sharpened(old: str, new: str) -> Direction:
    """Return the direction of a sign's change between the same sides."""
    if _STRICT.get(old) == new:
        return Direction.TIGHTER
    return Direction.LOOSER if _STRICT.get(new) == old else Direction.UNDECIDED


def _constant(call: Call) -> tuple[Type, object] | None:
    """Return the limit that `call` compares with, and its type, None where it is no constant."""
    match call.arguments[1]:
        case Literal(type=kind, value=value):
            return (VERSION if call.function in _VERSION_TESTS else kind), value
        case Call(function="duration" | "timestamp", arguments=(Literal(value=str() as text),), type=kind):
            return (kind, text) if kind.kind in (Kind.DURATION, Kind.TIMESTAMP) else None
        case _:
            return None
