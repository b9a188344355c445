"""What raising a param does to a condition, from its shape: nothing passes more, nothing passes less, or unclear."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from policyengine.model.expression import (
    And,
    Bind,
    Call,
    Comprehension,
    Conditional,
    Literal,
    Macro,
    Node,
    Or,
    Param,
    Variable,
    walk,
)
from policyengine.model.policy import Rule, Tighter
from policyengine.model.types import Kind


class Growth(Enum):
    """What something does as a param grows; for a condition, growing is from false to true."""

    NONE = "none"
    UP = "up"
    DOWN = "down"
    UNCLEAR = "unclear"

    def turned(self) -> Growth:
        """Return the growth of the negation."""
        return {Growth.UP: Growth.DOWN, Growth.DOWN: Growth.UP}.get(self, self)


_ORDER = frozenset({"_>=_", "_>_", "atLeast", "sets.contains"})
_REVERSE_ORDER = frozenset({"_<=_", "_<_", "below"})
_CONVERSIONS = frozenset({"int", "uint", "double"})
_NUMBERS = frozenset({Kind.INT, Kind.UINT, Kind.DOUBLE})
_Names = Mapping[str, Growth]


def strictness(rules: tuple[Rule, ...], param: str) -> Tighter | Growth:
    """Return on which side `param` makes `rules` stricter; Growth.NONE if it is not read, UNCLEAR if that is not clear.

    UNCLEAR includes a param that is strict on its higher side in one place and on its lower side in another.
    """
    found = _joined(*(_growth(rule.require, param, {}) for rule in rules))
    return {Growth.UP: Tighter.LOWER, Growth.DOWN: Tighter.HIGHER}.get(found, found)


def _joined(*parts: Growth) -> Growth:
    """Return the growth of what grows with each of `parts`."""
    found = {part for part in parts if part is not Growth.NONE}
    return Growth.NONE if not found else found.pop() if len(found) == 1 else Growth.UNCLEAR


def _growth(node: Node, param: str, names: _Names) -> Growth:
    """Return what `node`, a condition or a quantity, does as `param` grows; `names` is what bound names do."""
    match node:
        case Param(name=name):
            return Growth.UP if name == param else Growth.NONE
        case Variable(name=name):
            return names.get(name, Growth.NONE)
        case And() | Or():
            return _joined(*(_growth(operand, param, names) for operand in node.operands))
        case Conditional():
            chosen = _joined(_growth(node.then, param, names), _growth(node.otherwise, param, names))
            return _unless_read(node.condition, chosen, param, names)
        case Bind():
            return _growth(node.body, param, {**names, node.name: _growth(node.value, param, names)})
        case Comprehension(macro=Macro.ALL | Macro.EXISTS):
            return _quantified(node, param, names)
        case Call():
            return _called(node, param, names)
        case _:
            return _unless_read(node, Growth.NONE, param, names)


def _unless_read(node: Node, otherwise: Growth, param: str, names: _Names) -> Growth:
    """Return `otherwise` unless `node` reads the param, by itself or by a bound name."""
    moving = {name for name, growth in names.items() if growth is not Growth.NONE}
    for found in walk(node):
        if (isinstance(found, Param) and found.name == param) or (isinstance(found, Variable) and found.name in moving):
            return Growth.UNCLEAR
    return otherwise


def _quantified(node: Comprehension, param: str, names: _Names) -> Growth:
    """Return the growth of `all` and `exists`: more items are stricter for the one and looser for the other."""
    items = _growth(node.range, param, names)
    shadowed = {**names, **dict.fromkeys(node.variables, Growth.NONE)}
    items = items.turned() if node.macro is Macro.ALL else items
    return _joined(items, _growth(node.body, param, shadowed))


def _called(node: Call, param: str, names: _Names) -> Growth:
    parts = [_growth(argument, param, names) for argument in node.arguments]
    match node.function, parts:
        case "!_" | "-_", [only]:
            return only.turned()
        case name, [left, right] if name in _ORDER or name == "_-_":
            return _joined(left, right.turned())
        case name, [left, right] if name in _REVERSE_ORDER:
            return _joined(left.turned(), right)
        case "sets.intersects", [left, right]:
            return _joined(left, right)
        case "_+_", [left, right] if node.type.kind is not Kind.STRING:
            return _joined(left, right)
        case "@in", [Growth.NONE, right]:
            return right
        case "_*_" | "_/_", [left, Growth.NONE] if _is_positive(node.arguments[1]):
            return left
        case "_*_", [Growth.NONE, right] if _is_positive(node.arguments[0]):
            return right
        case name, [only] if name in _CONVERSIONS and node.arguments[0].type.kind in _NUMBERS:
            return only
        case _:
            return Growth.NONE if all(part is Growth.NONE for part in parts) else Growth.UNCLEAR


def _is_positive(node: Node) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, int | float) and node.value > 0
