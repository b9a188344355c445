"""Conditions with one small mistake in them, each of which the tests of a good policy notice.

A change is made to the typed expression, never to text. What would mean the same as the original is left out where that
can be seen: a change that gives an equal expression, and of two that shift the same limit the same way, one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from policyengine.analysis.neighbours import OTHER_TEXT, below_and_above, patterns, versions
from policyengine.analysis.rewriting import Path, first_offset, let_of, parts_of, replaced, with_children
from policyengine.model.expression import (
    And,
    Call,
    Comprehension,
    Conditional,
    ListOf,
    Literal,
    Macro,
    Node,
    Or,
    children,
)
from policyengine.model.expression_text import condition_text
from policyengine.model.types import BOOL, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A part of a condition and what stands in its place; `hint` says which device would show the difference."""

    condition: Node
    original: str
    mutated: str
    hint: str
    let: str | None
    offset: int


_Variant = tuple[Node, str]  # what stands in a part's place, and the hint

_BOUNDARY = {"_<_": "_<=_", "_<=_": "_<_", "_>_": "_>=_", "_>=_": "_>_"}
_OPPOSITE = {"_==_": "_!=_", "_!=_": "_==_", "_<_": "_>=_", "_<=_": "_>_", "_>_": "_<=_", "_>=_": "_<_"}
_QUANTIFIERS = {Macro.ALL: Macro.EXISTS, Macro.EXISTS: Macro.ALL, Macro.EXISTS_ONE: Macro.EXISTS}
# Where the other side of a limit is what its sign without or with `=` says, only the other way is shifted.
_SHIFTS = {"_>=_": -1, "_>_": 1, "_<_": -1, "_<=_": 1}
_VERSION_TESTS = frozenset({"atLeast", "below", "within"})
_TIMES = {"duration": Kind.DURATION, "timestamp": Kind.TIMESTAMP}


def mutants_of(condition: Node) -> Iterator[Change]:
    """Yield the changes to `condition`, in the order of its parts; no two give equal conditions."""
    seen = {condition}
    for path, part in parts_of(condition):
        for variant, hint in _variants(condition, path, part):
            changed = replaced(condition, path, variant)
            if changed not in seen:
                seen.add(changed)
                yield _change(condition, path, part, variant, hint, changed)


def _change(condition: Node, path: Path, part: Node, variant: Node, hint: str, changed: Node) -> Change:
    return Change(
        condition=changed,
        original=condition_text(part),
        mutated=condition_text(variant),
        hint=hint,
        let=let_of(condition, path),
        offset=first_offset(part),
    )


def _variants(condition: Node, path: Path, part: Node) -> Iterator[_Variant]:
    match part:
        case And() | Or():
            yield from _junctions(part)
        case Call():
            is_denied = _function(_above(condition, path)) == "!_"  # without the `!` it is the same change
            yield from (found for found in _calls(part) if not (is_denied and _is_opposite(part, found[0])))
        case Comprehension() if part.macro in _QUANTIFIERS:
            other = replace(part, macro=_QUANTIFIERS[part.macro])
            yield other, f"a device on which `{condition_text(part.body)}` holds for some elements and not for others"
        case Conditional():
            swapped = replace(part, then=part.otherwise, otherwise=part.then)
            yield swapped, f"devices for both values of `{condition_text(part.condition)}`"
        case Literal() if not _belongs_to_call(condition, path):
            yield from _constants(part)


def _junctions(part: And | Or) -> Iterator[_Variant]:
    form, decisive = (Or, "false") if isinstance(part, And) else (And, "true")
    yield form(operands=part.operands, type=BOOL, offset=part.offset), "a device on which some operands hold, not all"
    for position, operand in enumerate(part.operands):
        rest = part.operands[:position] + part.operands[position + 1 :]
        remaining = rest[0] if len(rest) == 1 else replace(part, operands=rest)
        yield remaining, f"a device on which only `{condition_text(operand)}` is {decisive}"


def _calls(part: Call) -> Iterator[_Variant]:
    match part.function, part.arguments:
        case "!_", (operand,):
            yield operand, f"a device that decides `{condition_text(operand)}`"
        case "@in", (item, ListOf() as listed):
            yield _negated(part), f"a device with `{condition_text(item)}` in the list, and one without"
            yield from _shorter(part, item, listed)
        case "@in", (item, _):
            yield _negated(part), f"a device with `{condition_text(item)}` in the list, and one without"
        case (function, (left, right)) if function in _OPPOSITE:
            yield from _comparisons(part, left, right)
        case _:
            yield from _arguments(part)


def _negated(part: Call) -> Node:
    return Call(function="!_", arguments=(part,), type=BOOL, offset=part.offset, overload="logical_not")


def _shorter(part: Call, item: Node, listed: ListOf) -> Iterator[_Variant]:
    if listed.optional or len(listed.items) < 2:
        return
    for position, one in enumerate(listed.items):
        rest = replace(listed, items=listed.items[:position] + listed.items[position + 1 :])
        hint = f"a device with {condition_text(one)} for `{condition_text(item)}`"
        yield replace(part, arguments=(item, rest)), hint


def _comparisons(part: Call, left: Node, right: Node) -> Iterator[_Variant]:
    sides = f"`{condition_text(left)}` and `{condition_text(right)}`"
    yield _renamed(part, _OPPOSITE[part.function]), f"a device that decides `{condition_text(part)}`"
    if part.function in _BOUNDARY:
        yield _renamed(part, _BOUNDARY[part.function]), f"a device on which {sides} are equal"
    if isinstance(right, Literal) and right.type.kind is Kind.INT and part.function in _SHIFTS:
        shifted = replace(right, value=_integer(right) + _SHIFTS[part.function])
        hint = f"a device just on the other side of the limit {condition_text(right)}"
        yield replace(part, arguments=(left, shifted)), hint


def _integer(node: Literal) -> int:
    return node.value if isinstance(node.value, int) else 0


def _renamed(part: Call, function: str) -> Node:
    return replace(part, function=function, overload="")


def _arguments(part: Call) -> Iterator[_Variant]:
    """Yield calls with a text that means a time, a version or a pattern next to the one that is written."""
    for position, argument in enumerate(part.arguments):
        if isinstance(argument, Literal) and isinstance(argument.value, str):
            for text in _texts(part.function, argument.value):
                parts = (*part.arguments[:position], replace(argument, value=text), *part.arguments[position + 1 :])
                yield with_children(part, parts), _text_hint(part.function, argument)


def _texts(function: str, text: str) -> Iterator[Any]:
    if function in _TIMES:
        yield from below_and_above(text, replace(BOOL, kind=_TIMES[function]))
    elif function in _VERSION_TESTS:
        yield from versions(text)
    elif function == "matches":
        yield from patterns(text)


def _text_hint(function: str, argument: Literal) -> str:
    if function == "matches":
        return f"texts that only just match, and only just do not match, {condition_text(argument)}"
    return f"a device exactly at the limit {condition_text(argument)}, and one just beside it"


def _is_opposite(part: Call, variant: Node) -> bool:
    return _function(variant) in ("!_", _OPPOSITE.get(part.function))


def _function(node: Node | None) -> str:
    return node.function if isinstance(node, Call) else ""


def _above(condition: Node, path: Path, levels: int = 1) -> Node | None:
    """Return the part `levels` above the one at `path`, None above the top."""
    if len(path) < levels:
        return None
    found = condition
    for step in path[: len(path) - levels]:
        found = children(found)[step]
    return found


def _belongs_to_call(condition: Node, path: Path) -> bool:
    """Return whether the literal at `path` is changed together with what it stands in."""
    match _above(condition, path):
        case Call(function=function) if function in _TIMES or function in _VERSION_TESTS or function == "matches":
            return True
        case Call(function=function, arguments=(_, Literal(type=kind))) if function in _SHIFTS:
            return path[-1] == 1 and kind.kind is Kind.INT
        case ListOf(items=items):
            return _function(_above(condition, path, levels=2)) == "@in" and len(items) > 1
        case _:
            return False


def _constants(part: Literal) -> Iterator[_Variant]:
    hint = f"a device with exactly {condition_text(part)}, and one just beside it"
    for value in _near(part):
        yield replace(part, value=value), hint


def _near(part: Literal) -> tuple[Any, ...]:
    if isinstance(part.value, bytes):
        return (part.value + OTHER_TEXT.encode(),)
    return below_and_above(part.value, part.type)
