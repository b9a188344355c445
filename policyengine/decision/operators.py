"""Functions and operators as plain Python, where the checked types make Python's meaning and CEL's the same.

Python calls True equal to 1, divides downwards, has integers without end and finds an identical NaN in a list; each
form here is only used where none of that can show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from policyengine.decision import constants
from policyengine.decision.errors import CelError
from policyengine.decision.space import Scope, Space, origin
from policyengine.decision.values import INT_MAX, INT_MIN
from policyengine.model.canonical import MAX_INTEGER
from policyengine.model.expression import Call, Fact, Literal, Node, Select
from policyengine.model.types import Kind

NUMBERS = frozenset({Kind.INT, Kind.UINT, Kind.DOUBLE})
SCALARS = NUMBERS | {Kind.BOOL, Kind.STRING, Kind.BYTES, Kind.TIMESTAMP, Kind.DURATION}
EXACT = SCALARS - {Kind.DOUBLE}  # identity never differs from equality
_TIMES = frozenset({Kind.TIMESTAMP, Kind.DURATION})
_PYTHON = {"_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_BOUNDS = {"_+_": "+", "_-_": "-", "_*_": "*"}


class Emitter(Protocol):
    """What writes operands (emitter.py)."""

    space: Space

    def expression(self, node: Node, scope: Scope) -> str:
        """Return source for a value that is all there is."""

    def condition(self, node: Node, scope: Scope) -> str:
        """Return source for a bool."""

    def raw(self, node: Node, scope: Scope) -> str:
        """Return source for a value that may be a part of a fact collection."""


Inline = Callable[[Emitter, Call, Scope], str | None]


def inline(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    """Return plain Python source for `node`, or None if only our own function has CEL's meaning."""
    write, arguments = _INLINE.get(node.function, (None, 0))
    return None if write is None or len(node.arguments) != arguments else write(emitter, node, scope)


def _same(left: Node, right: Node, scope: Scope) -> bool:
    """Return whether Python compares `left` and `right` as CEL does; between int and double, only if both are exact."""
    one, other = left.type.kind, right.type.kind
    if one is other:
        return one in SCALARS
    return one in NUMBERS and other in NUMBERS and (Kind.DOUBLE not in (one, other) or _exact(left, right, scope))


def _exact(left: Node, right: Node, scope: Scope) -> bool:
    return all(
        side.type.kind is Kind.DOUBLE or (side.type.kind is Kind.INT and abs(limit) <= MAX_INTEGER)
        for side in (left, right)
        for limit in bounds(side, scope)
    )


def _comparison(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    left, right = node.arguments
    if not _same(left, right, scope) and not (node.function in ("_==_", "_!=_") and _text_literal(left, right)):
        return None
    truth = _against_bool(emitter, node, scope)
    if truth is not None:
        return truth
    return f"({emitter.expression(left, scope)} {_PYTHON[node.function]} {emitter.expression(right, scope)})"


def _text_literal(left: Node, right: Node) -> bool:
    """Return whether one side is a text constant: only an equal text equals it, in Python too."""
    return any(isinstance(side, Literal) and side.type.kind is Kind.STRING for side in (left, right))


def _against_bool(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    left, right = node.arguments
    if node.function not in ("_==_", "_!=_") or not isinstance(right, Literal) or right.type.kind is not Kind.BOOL:
        return None
    text = emitter.expression(left, scope)
    return text if right.value is (node.function == "_==_") else f"(not {text})"


def _membership(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    element, collection = node.arguments
    path = origin(collection, scope)
    text = _contained(emitter, node, scope)
    if text is None:
        arguments = f"{emitter.expression(element, scope)}, {emitter.raw(collection, scope)}"
        text = f"{emitter.space.function('@in', 2)}({arguments})"
    return text if path is None else f"({text} or (K[{path!r}] or P()) and False)"


def _contained(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    element, collection = node.arguments
    kind = collection.type
    if not kind.parameters or element.type != kind.parameters[0] or element.type.kind not in EXACT:
        return None
    if kind.kind is Kind.MAP and element.type.kind is not Kind.STRING:
        return None
    folded = constants.constant_of(collection, emitter.space)
    if folded is not None and isinstance(folded.value, tuple):
        return f"({emitter.expression(element, scope)} in {emitter.space.constant(frozenset(folded.value))})"
    return f"({emitter.expression(element, scope)} in {emitter.raw(collection, scope)})"


def _arithmetic(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    form = _arithmetic_form(emitter, node, scope)
    if form is None:
        return None  # INVARIANT: before any operand is written, or each level of nesting would write it twice
    left, right = (emitter.expression(argument, scope) for argument in node.arguments)
    return f"{form}({left} {_BOUNDS[node.function]} {right})"


def _arithmetic_form(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    """Return what has to stand before Python's own operator, None if that has another meaning."""
    left, right = node.arguments
    kinds = (left.type.kind, right.type.kind)
    if kinds == (Kind.INT, Kind.INT):
        return "" if _fits(bounds(node, scope)) else "i64"
    if kinds == (Kind.DOUBLE, Kind.DOUBLE) or (node.function == "_-_" and kinds == (Kind.TIMESTAMP, Kind.TIMESTAMP)):
        return ""
    is_shift = node.function != "_*_" and set(kinds) == _TIMES
    return "" if is_shift and all(_no_nanos(side, emitter, scope) for side in (left, right)) else None


def _no_nanos(node: Node, emitter: Emitter, scope: Scope) -> bool:
    """Return whether `node` is a time, or a duration in whole microseconds: only that one can Python add to a time."""
    if node.type.kind is Kind.TIMESTAMP or origin(node, scope) is not None:
        return True
    folded = constants.constant_of(node, emitter.space)
    return folded is not None and type(folded.value) is timedelta


def _fits(limits: tuple[int, int]) -> bool:
    return limits[0] >= INT_MIN and limits[1] <= INT_MAX


def bounds(node: Node, scope: Scope) -> tuple[int, int]:
    """Return the least and greatest value that int `node` can have, before any overflow check of its own."""
    match node:
        case Literal() if isinstance(node.value, int):
            return (node.value, node.value)
        case Fact() | Select() if origin(node, scope) is not None:
            return (-MAX_INTEGER, MAX_INTEGER)  # ingest lets no greater integer in
        case Call(function="size"):
            return (0, 2**40)
        case Call(function="_+_" | "_-_" | "_*_"):
            return _combined(node.function, bounds(node.arguments[0], scope), bounds(node.arguments[1], scope))
        case _:
            return (INT_MIN, INT_MAX)


def _combined(function: str, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    (a, b), (c, d) = (_clipped(left), _clipped(right))
    if function == "_+_":
        return (a + c, b + d)
    if function == "_-_":
        return (a - d, b - c)
    products = (a * c, a * d, b * c, b * d)
    return (min(products), max(products))


def _clipped(limits: tuple[int, int]) -> tuple[int, int]:
    return (max(limits[0], INT_MIN), min(limits[1], INT_MAX))


def _negation(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    (operand,) = node.arguments
    return f"(not {emitter.condition(operand, scope)})"


def _index(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    collection, key = node.arguments
    if origin(collection, scope) is None:
        return None
    if collection.type.kind is Kind.MAP and key.type.kind is Kind.STRING:
        return f"{emitter.raw(collection, scope)}[{emitter.expression(key, scope)}]"
    arguments = f"{emitter.expression(collection, scope)}, {emitter.expression(key, scope)}"
    return f"{emitter.space.function('_[_]', 2)}({arguments})"


def _optional_index(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    collection, key = node.arguments
    path = origin(collection, scope)
    if path is None:
        return None
    text = f"{emitter.space.function('_[?_]', 2)}({emitter.raw(collection, scope)}, {emitter.expression(key, scope)})"
    return f"known({text}, K, {path!r})"


def _size(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    (value,) = node.arguments
    if value.type.kind not in (Kind.STRING, Kind.BYTES, Kind.LIST, Kind.MAP):
        return None
    return f"len({emitter.expression(value, scope)})"


def _texts(node: Call) -> bool:
    return all(argument.type.kind is Kind.STRING for argument in node.arguments)


def _text_method(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    if not _texts(node):
        return None
    text, part = (emitter.expression(argument, scope) for argument in node.arguments)
    method = {"startsWith": "startswith", "endsWith": "endswith"}.get(node.function)
    return f"({part} in {text})" if method is None else f"{text}.{method}({part})"


def _alternative(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    """`or` and `orValue` need their argument only where the optional holds none, so it may fail where it does."""
    value, other = (emitter.expression(argument, scope) for argument in node.arguments)
    return f"{'or_else' if node.function == 'or' else 'or_value'}({value}, lambda: {other})"


def _matches(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    pattern = constants.constant_of(node.arguments[-1], emitter.space) if _texts(node) else None
    if pattern is None or not isinstance(pattern.value, str):
        return None
    try:
        name = emitter.space.matcher(pattern.value)
    except CelError:
        return None  # the function fails with the reason each time it runs
    return f"{name}({emitter.expression(node.arguments[0], scope)})"


def _version(emitter: Emitter, node: Call, scope: Scope) -> str | None:
    if node.arguments[0].type.kind is not Kind.VERSION:
        return None
    seen, limit = (emitter.expression(argument, scope) for argument in node.arguments)
    if node.function == "within":
        return f"within({seen}, {limit}, vk)"
    return f"(vk({seen}) {'>=' if node.function == 'atLeast' else '<'} vk({limit}))"


_INLINE: Mapping[str, tuple[Inline, int]] = {
    **dict.fromkeys(_PYTHON, (_comparison, 2)),
    **dict.fromkeys(_BOUNDS, (_arithmetic, 2)),
    **dict.fromkeys(("startsWith", "endsWith", "contains"), (_text_method, 2)),
    **dict.fromkeys(("atLeast", "below", "within"), (_version, 2)),
    "@in": (_membership, 2),
    "!_": (_negation, 1),
    "_[_]": (_index, 2),
    "_[?_]": (_optional_index, 2),
    "size": (_size, 1),
    "or": (_alternative, 2),
    "orValue": (_alternative, 2),
    "matches": (_matches, 2),
}
