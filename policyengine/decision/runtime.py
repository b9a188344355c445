"""What generated code finds among its globals, under short names that no counter makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policyengine.decision import optionals, values
from policyengine.decision.arithmetic import int64
from policyengine.decision.errors import ERRORS, CelError, no_overload, reason_of
from policyengine.decision.values import ordered
from policyengine.model.version import within

Complete = Mapping[str, bool]
EMPTY: Mapping[str, object] = {}


class Failed:
    """A bound value that could not be computed: it fails where it is used, not where it is bound."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


def value_of(bound: object) -> object:
    """Return `bound`; raises CelError if computing it failed."""
    if type(bound) is Failed:
        raise CelError(bound.reason)
    return bound


def decided(answer: object) -> object:
    """Return a three-valued `answer` that is decided; raises CelError with the reason it holds otherwise."""
    if type(answer) is str:
        raise CelError(answer)
    return answer


def absent(complete: Complete, path: str) -> bool:
    """Return False if the source of `path` listed everything; raises CelError, as the fact may just be missing."""
    if complete[path]:
        return False
    raise CelError("fact.absent")


def incomplete() -> bool:
    """Raise CelError: a collection may have more elements than were listed."""
    raise CelError("fact.incomplete")


def whole(value: object, complete: Complete, path: str) -> object:
    """Return the collection `value` of facts; raises CelError unless its source listed everything."""
    if complete[path] or not isinstance(value, tuple | dict):
        return value
    raise CelError("fact.incomplete")


def items(value: object) -> Iterable[object]:
    """Return what a one-variable comprehension goes through: elements of a list, keys of a map."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, dict):
        return [key for key, _ in ordered(value)]
    raise no_overload("comprehension", value)


def pairs(value: object) -> Iterable[tuple[object, object]]:
    """Return what a two-variable comprehension goes through: index and element, or key and value."""
    if isinstance(value, tuple):
        return enumerate(value)
    if isinstance(value, dict):
        return ordered(value)
    raise no_overload("comprehension", value)


def merged(maps: Iterable[object]) -> dict[object, object]:
    """Return all entries of `maps` in one map; raises CelError for a repeated key."""
    entries: dict[object, object] = {}
    for found in maps:
        if not isinstance(found, dict):
            raise no_overload("transformMapEntry", found)
        if not entries.keys().isdisjoint(found):
            raise CelError("cel.duplicate-key", "two entries have one key")
        entries.update(found)
    return entries


def flat(*parts: object) -> tuple[object, ...]:
    """Return a list literal with optional items: an Optional gives its value or nothing, a tuple its elements."""
    made: list[object] = []
    for part in parts:
        if isinstance(part, tuple):
            made.extend(part)
        elif not isinstance(part, values.Optional):
            raise no_overload("[?]", part)
        elif part.present:
            made.append(part.value)
    return tuple(made)


def entries(*parts: tuple[object, object] | tuple[object, object, bool]) -> dict[object, object]:
    """Return a map literal; a part of three is `?key: value`, whose value is an Optional."""
    kept: list[tuple[object, object]] = []
    for part in parts:
        if len(part) == 2:
            kept.append(part)
        elif not isinstance(part[1], values.Optional):
            raise no_overload("{?}", part[1])
        elif part[1].present:
            kept.append((part[0], part[1].value))
    return values.map_of(*kept)


def bindings() -> dict[str, object]:
    """Return the globals of a generated module; Python's own names are only those listed here."""
    return {
        "__builtins__": {"KeyError": KeyError, "all": all, "any": any, "enumerate": enumerate, "len": len}
        | {"sum": sum, "str": str, "tuple": tuple, "type": type},
        "X": ERRORS,
        "E": EMPTY,
        "Failed": Failed,
        "A": absent,
        "P": incomplete,
        "W": whole,
        "D": decided,
        "V": value_of,
        "B": values.boolean,
        "I": items,
        "J": pairs,
        "Q": flat,
        "R": entries,
        "M": merged,
        "why": reason_of,
        "i64": int64,
        "eq": values.equal,
        "select": optionals.select_any,
        "has": values.has,
        "key": values.map_key,
        "opt_select": optionals.select,
        "known": optionals.known,
        "or_else": optionals.or_else_later,
        "or_value": optionals.or_value_later,
        "within": within,
    }
