"""Conditions that do not depend on any device: `true`, `1 < 2`, `false && boot.secure`.

A small folder, for diagnostics only: it decides what a reader would, and leaves the rest alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from policyengine.model.expression import And, Bind, Call, Conditional, ListOf, Literal, Node, Or
from policyengine.model.types import Kind

_ORDERED = (Kind.BOOL, Kind.INT, Kind.UINT, Kind.DOUBLE, Kind.STRING)
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "_==_": operator.eq,
    "_!=_": operator.ne,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}


def constant_value(node: Node) -> bool | None:
    """Return the value that the condition has on every device, or None when that depends (or is not easily seen)."""
    match node:
        case Literal(value=bool() as value):
            return value
        case And():
            return _absorbed(map(constant_value, node.operands), decisive=False)
        case Or():
            return _absorbed(map(constant_value, node.operands), decisive=True)
        case Conditional():
            return _branch(node)
        case Bind():
            return constant_value(node.body)
        case Call(function="!_"):
            inner = constant_value(node.arguments[0])
            return None if inner is None else not inner
        case Call():
            return _compared(node)
        case _:
            return None


def _absorbed(values: Iterable[bool | None], *, decisive: bool) -> bool | None:
    found = set(values)
    if decisive in found:
        return decisive
    return None if None in found else not decisive


def _branch(node: Conditional) -> bool | None:
    condition = constant_value(node.condition)
    if condition is None:
        then = constant_value(node.then)
        return then if then == constant_value(node.otherwise) else None
    return constant_value(node.then if condition else node.otherwise)


def _compared(node: Call) -> bool | None:
    match node.arguments:
        case (Literal() as left, Literal() as right) if left.type == right.type and left.type.kind in _ORDERED:
            compare = _COMPARISONS.get(node.function)
            return None if compare is None else compare(left.value, right.value)
        case (Literal() as left, ListOf(items=items, optional=optional)) if node.function == "@in" and not optional:
            return _found(left, items)
        case _:
            return None


def _found(wanted: Literal, items: tuple[Node, ...]) -> bool | None:
    if all(isinstance(item, Literal) and item.type == wanted.type for item in items):
        return any(isinstance(item, Literal) and item.value == wanted.value for item in items)
    return None
