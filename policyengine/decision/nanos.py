"""Times and durations to the nanosecond, as CEL has them: Python's own types end at the microsecond.

A value that needs no nanoseconds is a plain datetime or timedelta, so facts, which have microseconds, cost no more.
The others are subclasses. Python asks a subclass first, so comparing any mixture and subtracting one of a kind from
another works by operators. A time plus or minus a duration does not, because there the left one's type knows nothing of
the right one's: that is `later` and `earlier`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from policyengine.model.times import (
    MAX_DURATION,
    InvalidTimeError,
    format_timestamp,
    nanoseconds_text,
    parse_timestamp,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_THOUSAND = 1000
_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_MOST = MAX_DURATION // timedelta(seconds=1) * _SECOND
_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_PART = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_BELOW_MICROSECOND = re.compile(r"\.\d{6}(\d{1,3})")


class _Nano:
    """What both kinds share: `nano`, 1 to 999, and order by nanoseconds among their own kind."""

    nano: int = 0

    def __eq__(self, other: object) -> bool:
        return _comparable(self, other) and nanos(self) == nanos(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        return nanos(self) < nanos(other) if _comparable(self, other) else NotImplemented

    def __le__(self, other: object) -> bool:
        return nanos(self) <= nanos(other) if _comparable(self, other) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return nanos(self) > nanos(other) if _comparable(self, other) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return nanos(self) >= nanos(other) if _comparable(self, other) else NotImplemented

    def __hash__(self) -> int:
        return hash(nanos(self))

    def __sub__(self, other: object) -> timedelta:
        return duration_of(nanos(self) - nanos(other)) if _comparable(self, other) else NotImplemented

    def __rsub__(self, other: object) -> timedelta:
        return duration_of(nanos(other) - nanos(self)) if _comparable(self, other) else NotImplemented


class NanoDuration(_Nano, timedelta):
    """A duration that is no whole number of microseconds."""

    def __add__(self, other: object) -> timedelta:
        return duration_of(nanos(self) + nanos(other)) if isinstance(other, timedelta) else NotImplemented

    __radd__ = __add__


class NanoTime(_Nano, datetime):  # type: ignore[misc] # NOTE: its `-` takes times only; `earlier` takes a duration
    """An aware time in UTC that is no whole number of microseconds."""


def _comparable(one: object, other: object) -> bool:
    return isinstance(other, datetime if isinstance(one, datetime) else timedelta)


def nanos(value: object) -> int:
    """Return the nanoseconds of a duration, or of a time since 1970."""
    size = datetime.__sub__(value, EPOCH) if isinstance(value, datetime) else value
    assert isinstance(size, timedelta)  # noqa: S101 - INVARIANT: only times and durations come here
    whole = (size.days * 86_400 + size.seconds) * _SECOND + size.microseconds * _THOUSAND
    return whole + (value.nano if isinstance(value, NanoTime | NanoDuration) else 0)


def duration_of(total: int) -> timedelta:
    """Return the duration of `total` nanoseconds; raises OverflowError beyond ten thousand years."""
    if abs(total) > _MOST:
        raise OverflowError("the duration is longer than 10000 years")
    micro, nano = divmod(total, _THOUSAND)
    if not nano:
        return timedelta(microseconds=micro)
    made = NanoDuration(microseconds=micro)
    made.nano = nano
    return made


def time_of(total: int) -> datetime:
    """Return the time `total` nanoseconds after 1970; raises OverflowError outside the years 1 to 9999."""
    micro, nano = divmod(total, _THOUSAND)
    found = EPOCH + timedelta(microseconds=micro)
    if not nano:
        return found
    made = NanoTime.combine(found.date(), found.time(), UTC)
    made.nano = nano
    return made


def later(moment: datetime, length: timedelta) -> datetime:
    """Return `moment + length`; raises OverflowError outside the years 1 to 9999."""
    if isinstance(moment, NanoTime) or isinstance(length, NanoDuration):
        return time_of(nanos(moment) + nanos(length))
    return moment + length


def earlier(moment: datetime, length: timedelta) -> datetime:
    """Return `moment - length`; raises OverflowError outside the years 1 to 9999."""
    if isinstance(moment, NanoTime) or isinstance(length, NanoDuration):
        return time_of(nanos(moment) - nanos(length))
    return moment - length


def read_time(text: str) -> datetime:
    """Return the RFC 3339 time `text` with all its nanoseconds; raises InvalidTimeError."""
    moment, finer = parse_timestamp(text), _BELOW_MICROSECOND.search(text)
    return moment if finer is None else time_of(nanos(moment) + int(finer[1].ljust(3, "0")))


def read_duration(text: str) -> timedelta:
    """Return the duration `text` as CEL writes it, such as `1h30m` or `-.5s`: units `h m s ms us ns`, no days.

    Raises InvalidTimeError for another form, and OverflowError beyond ten thousand years.
    """
    if not _DURATION.fullmatch(text):
        raise InvalidTimeError("not a duration such as `1h30m`")
    size = sum(_part(*found) for found in _PART.findall(text))
    return duration_of(-size if text.startswith("-") else size)


def _part(whole: str, fraction: str, unit: str) -> int:
    scale: int = 10 ** len(fraction)
    return (int(whole or 0) * scale + int(fraction or 0)) * _UNITS[unit] // scale


def time_text(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with `Z` and as many digits of fraction as it needs."""
    nano = moment.nano if isinstance(moment, NanoTime) else 0
    text = format_timestamp(datetime.combine(moment.date(), moment.time(), UTC) if nano else moment)
    if nano:
        text = f"{text[:-1]}{'' if '.' in text else '.000000'}{nano:03d}Z"
    return text[:-1].rstrip("0") + "Z" if "." in text else text


def duration_text(length: timedelta) -> str:
    """Return `length` in seconds with as many decimals as it needs: `5400s`, `0.25s`."""
    return nanoseconds_text(nanos(length))
