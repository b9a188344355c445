"""CEL's values for the slow interpreter: every value carries its type, nothing is left to Python's own notions.

It shares no code with the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

NUMBERS = ("int", "uint", "double")
ORDERED = ("bool", "string", "bytes", "timestamp", "duration")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LONGEST = 315_576_000_000 * 10**9  # nanoseconds: ten thousand years


class UnknownError(Exception):
    """Absent, or failed."""


@dataclass(frozen=True)
class Value:
    """A value: `kind` is CEL's type, `held` Python's int for int, uint, timestamp and duration (nanoseconds)."""

    kind: str
    held: Any


def boolean(truth: object) -> Value:
    return Value("bool", bool(truth))


def text(held: str) -> Value:
    return Value("string", held)


def number(held: int) -> Value:
    if not -(2**63) <= held < 2**63:
        raise UnknownError
    return Value("int", held)


def unsigned(held: int) -> Value:
    if not 0 <= held < 2**64:
        raise UnknownError
    return Value("uint", held)


def span(nanoseconds: int) -> Value:
    if abs(nanoseconds) > LONGEST:
        raise UnknownError
    return Value("duration", nanoseconds)


def moment(nanoseconds: int) -> Value:
    first, last = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH), (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH)
    if not first // MICROSECOND * 1000 <= nanoseconds < last // MICROSECOND * 1000 + 10**9:
        raise UnknownError
    return Value("timestamp", nanoseconds)


def sequence(items: Iterable[Value]) -> Value:
    return Value("list", tuple(items))


def mapping(pairs: Iterable[tuple[Value, Value]]) -> Value:
    made: list[tuple[Value, Value]] = []
    for key, value in pairs:
        if key.kind not in ("bool", "int", "uint", "string") or any(equal(key, other) for other, _ in made):
            raise UnknownError
        made.append((key, value))
    return Value("map", tuple(made))


def some(value: Value) -> Value:
    return Value("optional", value)


NOTHING = Value("optional", None)


def tagged(held: Any) -> Value:
    """Return the value of a fact, or of a literal."""
    match held:
        case None:
            return Value("null", None)
        case bool():
            return boolean(held)
        case int():
            return number(held)
        case float():
            return Value("double", held)
        case str():
            return text(held)
        case bytes():
            return Value("bytes", held)
        case datetime():
            return moment((held - EPOCH) // MICROSECOND * 1000)
        case timedelta():
            return span(held // MICROSECOND * 1000)
        case list() | tuple():
            return sequence(map(tagged, held))
        case Mapping():
            return mapping((tagged(key), tagged(value)) for key, value in held.items())
        case _:
            raise AssertionError(held)


def equal(one: Value, other: Value) -> bool:
    if one.kind in NUMBERS and other.kind in NUMBERS:
        if "double" in (one.kind, other.kind):
            return float(one.held) == float(other.held)
        return bool(one.held == other.held)
    if one.kind != other.kind:
        return False
    if one.kind == "list":
        return len(one.held) == len(other.held) and all(equal(a, b) for a, b in zip(one.held, other.held, strict=True))
    if one.kind == "map":
        return len(one.held) == len(other.held) and all(
            any(equal(key, known) and equal(value, given) for known, given in other.held) for key, value in one.held
        )
    if one.kind == "optional":
        if one.held is None or other.held is None:
            return one.held is other.held
        return equal(one.held, other.held)
    return bool(one.held == other.held)


def less(one: Value, other: Value) -> bool:
    if one.kind in NUMBERS and other.kind in NUMBERS:
        if "double" in (one.kind, other.kind):
            return float(one.held) < float(other.held)
        return bool(one.held < other.held)
    if one.kind != other.kind or one.kind not in ORDERED:
        raise UnknownError
    return bool(one.held < other.held)


def found(pairs: Iterable[tuple[Value, Value]], key: Value) -> Value | None:
    return next((value for known, value in pairs if equal(known, key)), None)
