"""CEL's `math` extension: bounds, rounding, signs and bits of int64, uint64 and doubles."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

from policyengine.decision.arithmetic import int64
from policyengine.decision.errors import CelError, no_overload
from policyengine.decision.lists import items
from policyengine.decision.values import INT_MAX, UINT_MAX, Uint, greater, is_number, less

_BITS = 64
_HALF = 0.5


def greatest(*values: object) -> object:
    """Return `math.greatest(...)`: of numbers of any types, or of one list of them; the first of equals."""
    return _chosen("math.greatest", greater, values)


def least(*values: object) -> object:
    """Return `math.least(...)`: of numbers of any types, or of one list of them; the first of equals."""
    return _chosen("math.least", less, values)


def _chosen(function: str, better: Callable[[object, object], bool], values: tuple[object, ...]) -> object:
    offered = items(function, values[0]) if len(values) == 1 and isinstance(values[0], tuple) else values
    for value in offered:
        if not is_number(value):
            raise no_overload(function, value)
    if not offered:
        raise CelError("cel.range", "the list is empty")
    return reduce(lambda best, value: value if better(value, best) else best, offered)


def _double(function: str, value: object) -> float:
    if isinstance(value, float):
        return value
    raise no_overload(function, value)


def _cut(function: str, cut: Callable[[float], float]) -> Callable[[object], float]:
    """Return CEL's function that makes a double whole by `cut`; what is not finite stays as it is."""

    def whole(value: object) -> float:
        number = _double(function, value)
        return math.copysign(float(cut(number)), number) if math.isfinite(number) else number

    return whole


def _nearest(value: float) -> float:
    """Return the nearest whole number, halves away from zero."""
    size = abs(value)
    whole = math.floor(size)
    return math.copysign(whole + (size - whole >= _HALF), value)


ceil = _cut("math.ceil", math.ceil)
floor = _cut("math.floor", math.floor)
trunc = _cut("math.trunc", math.trunc)
nearest = _cut("math.round", _nearest)


def absolute(value: object) -> object:
    """Return `math.abs(value)`; raises CelError `cel.overflow` for the least int64."""
    if isinstance(value, Uint):
        return value
    if type(value) is int:
        return int64(abs(value))
    return abs(_double("math.abs", value))


def sign(value: object) -> object:
    """Return `math.sign(value)`: -1, 0 or 1 in the type of `value`; NaN of NaN."""
    if isinstance(value, Uint):
        return Uint(value > 0)
    if type(value) is int:
        return (value > 0) - (value < 0)
    number = _double("math.sign", value)
    return number if math.isnan(number) else float((number > 0) - (number < 0))


def root(value: object) -> float:
    """Return `math.sqrt(value)`; NaN below zero."""
    if not is_number(value):
        raise no_overload("math.sqrt", value)
    number = float(value)  # type: ignore[arg-type] # is_number has checked
    return math.sqrt(number) if number >= 0 else math.nan


def is_nan(value: object) -> bool:
    """Return `math.isNaN(value)` of a double."""
    return math.isnan(_double("math.isNaN", value))


def is_infinite(value: object) -> bool:
    """Return `math.isInf(value)` of a double."""
    return math.isinf(_double("math.isInf", value))


def is_finite(value: object) -> bool:
    """Return `math.isFinite(value)` of a double."""
    return math.isfinite(_double("math.isFinite", value))


def _integers(function: str, *values: object) -> None:
    if type(values[0]) not in (int, Uint) or any(type(value) is not type(values[0]) for value in values):
        raise no_overload(function, *values)


def _wrapped(like: object, value: int) -> int:
    """Return the low 64 bits of `value`, as int64 or uint64 as `like` is."""
    low = value & UINT_MAX
    if isinstance(like, Uint):
        return Uint(low)
    return low if low <= INT_MAX else low - UINT_MAX - 1


def bit_and(left: int, right: int) -> int:
    """Return `math.bitAnd(left, right)` of two ints or two uints."""
    _integers("math.bitAnd", left, right)
    return _wrapped(left, left & right)


def bit_or(left: int, right: int) -> int:
    """Return `math.bitOr(left, right)` of two ints or two uints."""
    _integers("math.bitOr", left, right)
    return _wrapped(left, left | right)


def bit_xor(left: int, right: int) -> int:
    """Return `math.bitXor(left, right)` of two ints or two uints."""
    _integers("math.bitXor", left, right)
    return _wrapped(left, left ^ right)


def bit_not(value: int) -> int:
    """Return `math.bitNot(value)` of an int or uint."""
    _integers("math.bitNot", value)
    return _wrapped(value, ~value)


def shift_left(value: int, places: object) -> int:
    """Return `math.bitShiftLeft(value, places)`; bits beyond 64 are lost."""
    count = _places("math.bitShiftLeft", value, places)
    return _wrapped(value, value << count)


def shift_right(value: int, places: object) -> int:
    """Return `math.bitShiftRight(value, places)`; zeros come in, in negative numbers too."""
    count = _places("math.bitShiftRight", value, places)
    return _wrapped(value, (value & UINT_MAX) >> count)


def _places(function: str, value: object, places: object) -> int:
    _integers(function, value)
    if type(places) is not int:
        raise no_overload(function, value, places)
    if places < 0:
        raise CelError("cel.range", "the number of places is negative")
    return min(places, _BITS)
