"""Cerbos' `cel_eval` cases. Cerbos' own functions are given to the engine here, as any embedder could give his."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from policyengine.decision.errors import no_overload
from policyengine.decision.functions import FUNCTIONS, Function
from policyengine.decision.lists import items
from policyengine.decision.network import address, block
from policyengine.decision.values import contains, key_value
from policyengine.language.cel.functions import Function as Declaration
from policyengine.language.cel.functions import Overload
from policyengine.model.types import DYN
from tests.conformance.running import FailedError, evaluate

NOW = datetime(2021, 4, 22, 15, 5, 20, 21000, tzinfo=UTC)


@dataclass(frozen=True)
class Hierarchy:
    """Cerbos' value `hierarchy("a.b.c")`."""

    parts: tuple[object, ...]


def _hierarchy(value: object, separator: object = ".") -> Hierarchy:
    if isinstance(value, str) and isinstance(separator, str):
        return Hierarchy(tuple(value.split(separator)))
    return Hierarchy(items("hierarchy", value))


def _pair(test: Callable[[tuple[object, ...], tuple[object, ...]], object]) -> Function:
    def method(left: object, right: object) -> object:
        if isinstance(left, Hierarchy) and isinstance(right, Hierarchy):
            return test(left.parts, right.parts)
        raise no_overload("hierarchy", left, right)

    return method


def _common(one: tuple[object, ...], other: tuple[object, ...]) -> Hierarchy:
    shared = []
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared.append(left)
    return Hierarchy(tuple(shared))


def _is_above(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) < len(other) and other[: len(one)] == one


def _json(value: object) -> str:
    def plain(held: Any) -> Any:
        if isinstance(held, dict):
            return {key_value(key): plain(each) for key, each in held.items()}
        return [plain(each) for each in held] if isinstance(held, tuple) else held

    return json.dumps(plain(value), separators=(",", ":"))


_MEMBERS: Mapping[str, tuple[Function, int]] = {
    "ancestorOf": (_pair(_is_above), 2),
    "descendentOf": (_pair(lambda one, other: _is_above(other, one)), 2),
    "commonAncestors": (_pair(_common), 2),
    "immediateChildOf": (_pair(lambda one, other: _is_above(other, one) and len(one) == len(other) + 1), 2),
    "immediateParentOf": (_pair(lambda one, other: _is_above(one, other) and len(one) + 1 == len(other)), 2),
    "overlaps": (_pair(lambda one, other: one == other or _is_above(one, other) or _is_above(other, one)), 2),
    "siblingOf": (_pair(lambda one, other: one != other and one[:-1] == other[:-1] and len(one) == len(other)), 2),
    "except": (lambda one, other: tuple(each for each in items("except", one) if not contains(each, other)), 2),
    "isSubset": (lambda one, other: all(contains(each, other) for each in items("isSubset", one)), 2),
    "is_subset": (lambda one, other: all(contains(each, other) for each in items("is_subset", one)), 2),
    "inIPAddrRange": (lambda text, within: block(within).holds(address(text)), 2),
    "timeSince": (lambda moment: NOW - moment, 1),
}
_GLOBALS: Mapping[str, tuple[Function, tuple[int, ...]]] = {
    "hierarchy": (_hierarchy, (1, 2)),
    "now": (lambda: NOW, (0,)),
    "json.encode": (_json, (1,)),
    "hasIntersection": (lambda one, other: any(contains(each, other) for each in items("in", one)), (2,)),
    "has_intersection": (lambda one, other: any(contains(each, other) for each in items("in", one)), (2,)),
    "intersect": (lambda one, other: tuple(each for each in items("in", one) if contains(each, other)), (2,)),
}


def _hierarchies(function: Function, standard: Function) -> Function:
    """Return `standard` that also takes a hierarchy, whose parts `function` gets."""

    def either(value: object, *others: object) -> object:
        return function(value.parts, *others) if isinstance(value, Hierarchy) else standard(value, *others)

    return either


RUNNING: Mapping[str, Function] = {
    **FUNCTIONS,
    **{name: function for name, (function, _) in _MEMBERS.items()},
    **{name: function for name, (function, _) in _GLOBALS.items()},
    "size": _hierarchies(len, FUNCTIONS["size"]),
    "_[_]": _hierarchies(FUNCTIONS["_[_]"], FUNCTIONS["_[_]"]),
}
DECLARED = (
    *(
        Declaration(
            name=name, overloads=(Overload(id=f"cerbos_{name}", parameters=(DYN,) * count, result=DYN, member=True),)
        )
        for name, (_, count) in _MEMBERS.items()
    ),
    *(
        Declaration(
            name=name,
            overloads=tuple(
                Overload(id=f"cerbos_{name}_{count}", parameters=(DYN,) * count, result=DYN) for count in counts
            ),
        )
        for name, (_, counts) in _GLOBALS.items()
    ),
)


def _native(value: Any) -> object:
    """Return a request's value as Cerbos has it: every number is a double."""
    if isinstance(value, list):
        return tuple(map(_native, value))
    if isinstance(value, dict):
        return {key: _native(held) for key, held in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def bindings(request: Mapping[str, Any]) -> dict[str, object]:
    """Return the variables of a request."""
    whole = {key: _native(held) for key, held in request.items()}
    if "auxData" in whole:
        whole["aux_data"] = whole["auxData"]
    return {"request": whole, "P": whole["principal"], "R": whole["resource"]}


def expressions(condition: Mapping[str, Any]) -> list[str]:
    """Return all expressions of a condition."""
    if "expr" in condition:
        return [condition["expr"]]
    return [text for block in condition.values() for each in block["of"] for text in expressions(each)]


def holds(condition: Mapping[str, Any], variables: Mapping[str, object]) -> bool:
    """Return whether `condition` is satisfied; an expression that fails is not."""
    if "expr" in condition:
        return outcome(condition["expr"], variables) is True
    ((word, inner),) = condition.items()
    answers = [holds(part, variables) for part in inner["of"]]
    return {"all": all(answers), "any": any(answers), "none": not any(answers)}[word]


def outcome(text: str, variables: Mapping[str, object]) -> object:
    """Return the value of one expression, None where it fails."""
    try:
        return evaluate(text, variables, DECLARED, RUNNING)
    except FailedError:
        return None


def cases(directory: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return all cases by name."""
    return [(path.stem, yaml.load(path.read_text(), yaml.CSafeLoader)) for path in sorted(directory.glob("*.yaml"))]
