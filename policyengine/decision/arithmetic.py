"""CEL arithmetic: int64 and uint64 that overflow into errors, IEEE 754 doubles, and the operators' other types."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from policyengine.decision.errors import CelError, no_overload
from policyengine.decision.nanos import earlier, later
from policyengine.decision.values import INT_MAX, INT_MIN, UINT_MAX, Uint
from policyengine.model.times import MAX_DURATION

MAX_CONCATENATION = 1_048_576  # characters, bytes or items: far above any rule, far below exhausting a worker


def int64(value: int) -> int:
    """Return `value`; raises CelError `cel.overflow` outside int64."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise CelError("cel.overflow", "the result does not fit int64")


def uint64(value: int) -> Uint:
    """Return `value` as Uint; raises CelError `cel.overflow` outside uint64."""
    if 0 <= value <= UINT_MAX:
        return Uint(value)
    raise CelError("cel.overflow", "the result does not fit uint64")


def span(value: timedelta) -> timedelta:
    """Return `value`; raises CelError `cel.range` beyond ten thousand years."""
    if -MAX_DURATION <= value <= MAX_DURATION:
        return value
    raise CelError("cel.range", "the duration is longer than 10000 years")


def add(left: object, right: object) -> object:
    """Return `left + right`: numbers of one type, text, bytes, lists, and times with durations."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return int64(left + right)  # type: ignore[operator] # same type, checked
        if kind is Uint:
            return uint64(left + right)  # type: ignore[operator] # same type, checked
        if kind is float:
            return left + right  # type: ignore[operator] # same type, checked
        if isinstance(left, str | bytes | tuple):
            return _joined(left, right)
    return _sum_of_times(left, right)


def _sum_of_times(left: object, right: object) -> object:
    if isinstance(left, datetime) and isinstance(right, timedelta):
        return later(left, right)
    if isinstance(left, timedelta) and isinstance(right, datetime):
        return later(right, left)
    if isinstance(left, timedelta) and isinstance(right, timedelta):
        return span(left + right)
    raise no_overload("_+_", left, right)


def _joined(left: str | bytes | tuple[object, ...], right: object) -> object:
    if len(left) + len(right) > MAX_CONCATENATION:  # type: ignore[arg-type] # add() has checked the types
        raise CelError("cel.size", f"the result is longer than {MAX_CONCATENATION}")
    return left + right  # type: ignore[operator] # add() has checked the types


def subtract(left: object, right: object) -> object:
    """Return `left - right`: numbers of one type, times, durations."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return int64(left - right)  # type: ignore[operator] # same type, checked
        if kind is Uint:
            return uint64(left - right)  # type: ignore[operator] # same type, checked
        if kind is float:
            return left - right  # type: ignore[operator] # same type, checked
    return _difference_of_times(left, right)


def _difference_of_times(left: object, right: object) -> object:
    if isinstance(left, datetime) and isinstance(right, datetime):
        return span(left - right)
    if isinstance(left, datetime) and isinstance(right, timedelta):
        return earlier(left, right)
    if isinstance(left, timedelta) and isinstance(right, timedelta):
        return span(left - right)
    raise no_overload("_-_", left, right)


def multiply(left: object, right: object) -> object:
    """Return `left * right` of two numbers of one type."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return int64(left * right)  # type: ignore[operator] # same type, checked
        if kind is Uint:
            return uint64(left * right)  # type: ignore[operator] # same type, checked
        if kind is float:
            return left * right  # type: ignore[operator] # same type, checked
    raise no_overload("_*_", left, right)


def divide(left: object, right: object) -> object:
    """Return `left / right`: integers cut towards zero, doubles by IEEE 754."""
    if isinstance(left, float) and isinstance(right, float):
        return _divided(left, right)
    if _integers(left, right):
        return _wrapped(left, _quotient(left, right))  # type: ignore[arg-type] # both are ints
    raise no_overload("_/_", left, right)


def modulo(left: object, right: object) -> object:
    """Return `left % right` of integers; the sign is the dividend's."""
    if _integers(left, right):
        return _remainder(left, right)  # type: ignore[arg-type] # both are ints
    raise no_overload("_%_", left, right)


def _remainder(left: int, right: int) -> int:
    quotient = _wrapped(left, _quotient(left, right))  # the least int64 by -1 overflows although nothing remains
    return _wrapped(left, left - right * quotient)


def _integers(left: object, right: object) -> bool:
    return type(left) is type(right) and type(left) in (int, Uint)


def _wrapped(like: object, value: int) -> int:
    return uint64(value) if isinstance(like, Uint) else int64(value)


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise CelError("cel.division-by-zero", "division by zero")
    size = abs(int(left)) // abs(int(right))
    return size if (left < 0) == (right < 0) else -size


def _divided(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def negate(value: object) -> object:
    """Return `-value` of an int or double."""
    if type(value) is int:
        return int64(-value)
    if isinstance(value, float):
        return -value
    raise no_overload("-_", value)


def logical_not(value: object) -> bool:
    """Return `!value` of a bool."""
    if value is True or value is False:
        return not value
    raise no_overload("!_", value)
