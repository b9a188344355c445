"""The nearest other values of a constant: what a threshold that is off by one would be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from policyengine.model.times import InvalidTimeError, format_duration, format_timestamp, parse_duration, parse_moment
from policyengine.model.types import Kind, Type

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_UNITS = (_DAY, _HOUR, timedelta(minutes=1), timedelta(seconds=1), timedelta(milliseconds=1), timedelta(microseconds=1))
_LAST_NUMBER = re.compile(r"(\d+)(?=\D*$)", re.ASCII)
OTHER_TEXT = "~"  # added to a text, it is one that no fact holds


def below_and_above(value: object, kind: Type) -> tuple[object, ...]:
    """Return the values of `kind` next to `value`, the lower one first; fewer where there are fewer.

    Durations, timestamps and versions are text, as in params. A list has its sublists that lack one item.
    """
    return tuple(_neighbours(value, kind))


def _neighbours(value: object, kind: Type) -> Iterator[object]:
    match kind.kind, value:
        case Kind.BOOL, bool():
            yield not value
        case Kind.INT | Kind.UINT, int():
            yield from (value - 1, value + 1) if kind.kind is Kind.INT or value else (value + 1,)
        case Kind.DOUBLE, float() | int():
            step = Decimal(1).scaleb(int(Decimal(repr(float(value))).as_tuple().exponent))
            yield from (float(Decimal(repr(float(value))) + sign * step) for sign in (-1, 1))
        case Kind.DURATION, str():
            yield from _lengths(value)
        case Kind.TIMESTAMP, str():
            yield from _moments(value)
        case Kind.VERSION, str():
            yield from versions(value)
        case Kind.STRING, str():
            yield value + OTHER_TEXT
        case Kind.LIST, tuple():
            yield from (value[:at] + value[at + 1 :] for at in range(len(value)))


def _lengths(text: str) -> Iterator[str]:
    try:
        length = parse_duration(text)
    except InvalidTimeError:
        return
    for near in lengths(length):
        yield _duration_text(near)


def lengths(length: timedelta) -> tuple[timedelta, ...]:
    """Return `length` less and more one unit: the largest that it is at least two of, so that 24h is 23h and 25h."""
    unit = next((unit for unit in _UNITS if not length % unit and abs(length) >= 2 * unit), _UNITS[-1])
    return (length - unit, length + unit)


def length_text(length: timedelta) -> str:
    """Return `length` in hours where they say it, up to a week, as people write it; else in the largest unit."""
    in_hours = length and not length % _HOUR and abs(length) < 7 * _DAY
    return f"{length // _HOUR}h" if in_hours else format_duration(length)


def _duration_text(length: timedelta) -> str:
    """Return `length` in hours at most: CEL knows no days."""
    return f"{length // _HOUR}h" if length and not length % _HOUR else format_duration(length)


def _moments(text: str) -> Iterator[str]:
    try:
        moment = parse_moment(text)
    except InvalidTimeError:
        return
    for near in (moment - timedelta(seconds=1), moment + timedelta(seconds=1)):
        yield format_timestamp(near)


def versions(text: str) -> Iterator[str]:
    """Yield `text` with the last number in it one lower, where that is not below zero, and one higher."""
    for step in (-1, 1):
        found = _LAST_NUMBER.search(text)
        if found and int(found[1]) + step >= 0:
            yield f"{text[: found.start()]}{int(found[1]) + step}{text[found.end() :]}"


_COUNT = re.compile(r"\{(\d+)\}", re.ASCII)


def patterns(text: str) -> Iterator[str]:
    """Yield regular expressions next to `text`: without an anchor, with a count that is off by one."""
    if text.startswith("^"):
        yield text[1:]
    if text.endswith("$") and not text.endswith("\\$"):
        yield text[:-1]
    for found in _COUNT.finditer(text):
        for step in (-1, 1):
            if int(found[1]) + step > 0:
                yield f"{text[: found.start()]}{{{int(found[1]) + step}}}{text[found.end() :]}"
