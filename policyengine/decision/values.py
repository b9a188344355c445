"""CEL values in Python: equality, ordering, map keys and type names.

bool, int (int64), Uint, float, str, bytes, None, tuple (list), dict (map), aware datetime (UTC), timedelta, Optional,
TypeName. Python's own `==` is not CEL's: it calls True equal to 1, and an identical NaN inside a list equal to itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from policyengine.decision.errors import CelError, no_overload
from policyengine.decision.nanos import NanoDuration, NanoTime
from policyengine.decision.semver import Semver
from policyengine.model.network import Address, Block

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
UINT_MAX = 2**64 - 1


class Uint(int):
    """CEL's uint; arithmetic makes plain ints, so every operation wraps its result again."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Uint({int(self)})"


@dataclass(frozen=True, slots=True)
class TypeName:
    """CEL's value of type `type`."""

    name: str


@dataclass(frozen=True, slots=True)
class Optional:
    """CEL's optional: a value, or none."""

    present: bool
    value: object = None


NONE = Optional(present=False)


@dataclass(frozen=True, slots=True)
class BoolKey:
    """A bool as a map key, kept apart from the integers 0 and 1."""

    value: bool


_TRUE, _FALSE = BoolKey(value=True), BoolKey(value=False)

_NAMES: Mapping[type, str] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null_type",
    tuple: "list",
    list: "list",
    dict: "map",
    datetime: "google.protobuf.Timestamp",
    NanoTime: "google.protobuf.Timestamp",
    timedelta: "google.protobuf.Duration",
    NanoDuration: "google.protobuf.Duration",
    Optional: "optional_type",
    TypeName: "type",
    Address: "net.IP",
    Block: "net.CIDR",
    Semver: "kubernetes.Semver",
}
_NUMBERS = (int, float)


def type_name(value: object) -> TypeName:
    """Return CEL's name of the type of `value`."""
    try:
        return TypeName(_NAMES[type(value)])
    except KeyError as cause:
        raise no_overload("type", value) from cause


def is_number(value: object) -> bool:
    """Return whether `value` is an int, uint or double (a bool is none)."""
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def equal(left: object, right: object) -> bool:
    """Return CEL's `==`: numbers across types by value, lists and maps element by element, other types never equal."""
    if is_number(left) and is_number(right):
        left, right = _alike(left, right)
        return left == right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return _equal_maps(left, right)
    if isinstance(left, Optional) and isinstance(right, Optional):
        return left.present == right.present and equal(left.value, right.value)
    return type(left) is type(right) and left == right


def _equal_maps(left: dict[object, object], right: dict[object, object]) -> bool:
    return len(left) == len(right) and all(key in right and equal(value, right[key]) for key, value in left.items())


def not_equal(left: object, right: object) -> bool:
    """Return CEL's `!=`."""
    return not equal(left, right)


def _alike(left: object, right: object) -> tuple[object, object]:
    """Return two numbers for comparison: beside a double an integer counts as the nearest double, as in cel-spec."""
    if isinstance(left, float) is isinstance(right, float):
        return left, right
    return float(left), float(right)  # type: ignore[arg-type] # both are numbers


_ORDERED = (str, bytes, datetime, timedelta, bool)


def _comparable(operator: str, left: object, right: object) -> tuple[object, object]:
    if is_number(left) and is_number(right):
        return _alike(left, right)
    if any(isinstance(left, kind) and isinstance(right, kind) for kind in _ORDERED):
        return left, right
    raise no_overload(operator, left, right)


def less(left: object, right: object) -> bool:
    """Return CEL's `<`; text by code point; raises CelError for types without an order."""
    left, right = _comparable("_<_", left, right)
    return left < right  # type: ignore[operator,no-any-return] # _comparable has checked


def less_equal(left: object, right: object) -> bool:
    """Return CEL's `<=`."""
    left, right = _comparable("_<=_", left, right)
    return left <= right  # type: ignore[operator,no-any-return] # _comparable has checked


def greater(left: object, right: object) -> bool:
    """Return CEL's `>`."""
    return less(right, left)


def greater_equal(left: object, right: object) -> bool:
    """Return CEL's `>=`."""
    return less_equal(right, left)


def map_key(value: object) -> object:
    """Return the Python key under which a CEL map holds `value` (bool, int, uint, string; double to look up)."""
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, str | int | float):
        return value
    raise no_overload("_[_]", value)


def key_value(key: object) -> object:
    """Return the CEL value of the Python key `key`."""
    return key.value if isinstance(key, BoolKey) else key


def ordered(entries: Mapping[object, object]) -> list[tuple[object, object]]:
    """Return the keys and values of a map in the order of its keys: truth values, numbers, texts.

    CEL leaves the order open. Facts that were stored come back in another order than they came in, and a decision made
    again must be the same.
    """
    return sorted(((key_value(key), held) for key, held in entries.items()), key=_place)


def _place(entry: tuple[object, object]) -> tuple[int, Any]:
    key = entry[0]
    return (2, key) if isinstance(key, str) else (0, key) if isinstance(key, bool) else (1, key)


def contains(element: object, collection: object) -> bool:
    """Return CEL's `in`: a list element by CEL equality, a map key."""
    if isinstance(collection, tuple):
        return any(equal(element, item) for item in collection)
    if isinstance(collection, dict):
        return isinstance(element, bool | str | int | float) and map_key(element) in collection
    raise no_overload("@in", element, collection)


def index(collection: object, key: object) -> object:
    """Return CEL's `collection[key]`; raises CelError `cel.index` or `cel.key`."""
    if isinstance(collection, dict):
        try:
            return collection[map_key(key)]
        except KeyError as cause:
            raise CelError("cel.key", "no such key in the map") from cause
    if isinstance(collection, tuple) and is_number(key):
        position = _position(key)
        if 0 <= position < len(collection):
            return collection[position]
        raise CelError("cel.index", "the index is outside the list")
    raise no_overload("_[_]", collection, key)


def _position(key: object) -> int:
    if isinstance(key, float) and not key.is_integer():
        raise CelError("cel.index", "the index is not a whole number")
    return int(key)  # type: ignore[call-overload,no-any-return] # index() has checked that it is a number


def select(operand: object, name: str) -> object:
    """Return `operand.name` of a map; raises CelError."""
    if not isinstance(operand, dict):
        raise no_overload("select", operand)
    try:
        return operand[name]
    except KeyError as cause:
        raise CelError("cel.key", f"no such key `{name}`") from cause


def has(operand: object, name: str) -> bool:
    """Return `has(operand.name)` of a map or an optional map."""
    if isinstance(operand, Optional):
        return operand.present and has(operand.value, name)
    if not isinstance(operand, dict):
        raise no_overload("has", operand)
    return name in operand


def size(value: object) -> int:
    """Return CEL's `size`: code points of text, bytes, items of a list, entries of a map."""
    if isinstance(value, str | bytes | tuple | dict):
        return len(value)
    raise no_overload("size", value)


def boolean(value: object) -> bool:
    """Return `value` if it is a bool; raises CelError otherwise."""
    if value is True or value is False:
        return value
    raise no_overload("&&", value)


def map_of(*pairs: tuple[object, object]) -> dict[object, object]:
    """Return a map literal; raises CelError for a repeated key or a key that is no bool, int, uint or string."""
    made: dict[object, object] = {}
    for key, value in pairs:
        if isinstance(key, float):
            raise no_overload("{}", key)
        held = map_key(key)
        if held in made:
            raise CelError("cel.duplicate-key", "a map literal repeats a key")
        made[held] = value
    return made
