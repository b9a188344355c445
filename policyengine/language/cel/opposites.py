"""Conditions that exclude each other: `x` and `!x`, `svn > 7` and `svn < 3`, two texts for one fact.

Like `constant`, for diagnostics only: it decides what a reader would, and leaves the rest alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from policyengine.model.expression import Call, Literal, Node
from policyengine.model.types import BOOL, Type

_HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "_==_": operator.eq,
    "_!=_": operator.ne,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}
_OPPOSITES = {"_==_": "_!=_", "_<_": "_>=_", "_>_": "_<=_"}
_OPPOSITE = {**_OPPOSITES, **{other: one for one, other in _OPPOSITES.items()}}
_MIRRORED = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_", "_!=_": "_!=_"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limit:
    """`subject function value`, the constant on the right."""

    subject: Node
    function: str
    value: int | float | str
    type: Type


def never_together(operands: Sequence[Node]) -> bool:
    """Return whether it is easily seen that not all of `operands` can be true at once."""
    limits = [limit for limit in map(_limit, operands) if limit is not None]
    return any(_opposite(one) in operands for one in operands) or any(
        _contradict([other for other in limits if (other.subject, other.type) == (one.subject, one.type)])
        for one in limits
    )


def never_all_false(operands: Iterable[Node]) -> bool:
    """Return whether it is easily seen that one of `operands` is always true."""
    return never_together([_opposite(one) for one in operands])


def _opposite(node: Node) -> Node:
    if isinstance(node, Call) and node.function == "!_":
        return node.arguments[0]
    if isinstance(node, Call) and node.function in _OPPOSITE:
        return replace(node, function=_OPPOSITE[node.function], overload="")
    return Call(function="!_", arguments=(node,), type=BOOL)


def _limit(node: Node) -> _Limit | None:
    match node:
        case Call(function=function, arguments=(subject, Literal(value=int() | float() | str() as value) as right)):
            pass
        case Call(function=function, arguments=(Literal(value=int() | float() | str() as value) as right, subject)):
            function = _MIRRORED.get(function, "")
        case _:
            return None
    return _Limit(subject=subject, function=function, value=value, type=right.type) if function in _HOLDS else None


def _contradict(limits: Sequence[_Limit]) -> bool:
    """Return whether no value keeps all of `limits`, which are on one subject and of one type.

    If any value does, then one that is a limit itself, or one between the greatest lower and the least upper limit.
    """
    equal = [one.value for one in limits if one.function == "_==_"]
    if equal:
        return not all(_HOLDS[one.function](equal[0], one.value) for one in limits)
    lower: list[Any] = [one.value for one in limits if one.function in ("_>_", "_>=_")]
    upper: list[Any] = [one.value for one in limits if one.function in ("_<_", "_<=_")]
    if not lower or not upper or max(lower) < min(upper):
        return False
    return not all(_HOLDS[one.function](max(lower), one.value) for one in limits)
