"""Constant folding: what a node is worth when it reads no fact, no time and no variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.decision.errors import ERRORS
from policyengine.decision.functions import accepts
from policyengine.decision.space import Space, UntranslatableError
from policyengine.decision.values import TypeName, Uint
from policyengine.model.expression import Call, ListOf, Literal, Node, Param
from policyengine.model.times import parse_duration, parse_timestamp
from policyengine.model.types import Kind, Type

MAX_FOLDED = 4096  # characters or items of a folded constant; more is computed when needed
_KEPT_AS_CALL = frozenset({"atLeast", "below", "within"})  # their scheme is the device's


@dataclass(frozen=True, slots=True)
class Constant:
    """A known value; wrapped, as None is a value too."""

    value: object


def constant_of(node: Node, space: Space) -> Constant | None:
    """Return what `node` is always worth, or None; an expression that always fails is left to fail when it runs."""
    match node:
        case Literal():
            return Constant(_literal(node))
        case Param():
            return Constant(param_value(node, space.params))
        case ListOf(optional=frozenset()) if not node.optional:
            return _list(node, space)
        case Call() if node.function not in _KEPT_AS_CALL:
            return _call(node, space)
        case _:
            return None


def _literal(node: Literal) -> object:
    if node.type.kind is Kind.UINT and isinstance(node.value, int):
        return Uint(node.value)
    if node.type.kind is Kind.TYPE and isinstance(node.value, str):
        return TypeName(node.value)
    return node.value


def _list(node: ListOf, space: Space) -> Constant | None:
    items = [constant_of(item, space) for item in node.items]
    known = tuple(item.value for item in items if item is not None)
    return Constant(known) if len(known) == len(items) else None


def _call(node: Call, space: Space) -> Constant | None:
    arguments = []
    for argument in node.arguments:
        found = constant_of(argument, space)
        if found is None:
            return None
        arguments.append(found.value)
    function = space.functions.get(node.function)
    if function is None or not accepts(function, len(arguments)):
        return None
    try:
        value = function(*arguments)
    except ERRORS:
        return None
    too_long = isinstance(value, str | bytes | tuple | dict) and len(value) > MAX_FOLDED
    return None if too_long else Constant(value)


def param_value(node: Param, params: Mapping[str, object]) -> object:
    """Return the value of a param in the type that its policy declares."""
    if node.name not in params:
        raise UntranslatableError(f"param `{node.name[:64]}` has no value", name=node.name)
    return typed(params[node.name], node.type)


def typed(value: object, kind: Type) -> object:
    """Return a param's value as conditions see it: durations and times parsed, lists as tuples, doubles as float."""
    if kind.kind is Kind.DURATION and isinstance(value, str):
        return parse_duration(value)
    if kind.kind is Kind.TIMESTAMP and isinstance(value, str):
        return parse_timestamp(value)
    if kind.kind is Kind.DOUBLE and isinstance(value, int):
        return float(value)
    if kind.kind is Kind.LIST and isinstance(value, list | tuple):
        return tuple(typed(item, kind.parameters[0]) for item in value)
    return value
