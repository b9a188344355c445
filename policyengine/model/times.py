"""Times and durations as text: RFC 3339 timestamps in UTC, and durations such as `90s`, `24h`, `7d`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from policyengine.errors import PolicyEngineError, quoted

MAX_DURATION = timedelta(seconds=315_576_000_000)  # google.protobuf.Duration: 10,000 years either way

KEPT_TIMES = 4096  # one check-in writes the same few moments some thirty times
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DURATION = re.compile(r"-?(?:\d{1,12}(?:\.\d{1,9})?(?:ns|us|ms|s|m|h|d))+", re.ASCII)
_PART = re.compile(r"(\d+)(?:\.(\d+))?(ns|us|ms|s|m|h|d)", re.ASCII)
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_WRITTEN = (
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "m"),
    (timedelta(seconds=1), "s"),
)


class InvalidTimeError(PolicyEngineError):
    """A text that is not a timestamp or duration of the form asked for."""

    code = "time.invalid"


@lru_cache(maxsize=KEPT_TIMES)  # facts of one check-in repeat a handful of moments
def parse_timestamp(text: str) -> datetime:
    """Return the RFC 3339 section 5.6 timestamp `text` in UTC, cut to microseconds.

    Raises InvalidTimeError without a zone, for an impossible date, and for a leap second, which has no place in UTC
    arithmetic.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise InvalidTimeError(
            f"{quoted(text)} is not an RFC 3339 timestamp with a zone, such as `2026-11-23T00:00:00Z`"
        )
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    micro = int((match[7] or "0").ljust(9, "0")[:6])
    try:
        return datetime(year, month, day, hour, minute, second, micro, _zone(match)).astimezone(UTC)
    except (ValueError, OverflowError) as cause:
        raise InvalidTimeError("no such moment: a field of the timestamp is out of range") from cause


def parse_moment(text: str) -> datetime:
    """Return the RFC 3339 timestamp `text`, or midnight UTC of a date such as `2027-06-30`; raises InvalidTimeError."""
    return parse_timestamp(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)


def _zone(match: re.Match[str]) -> timezone:
    if match[8]:
        return UTC
    hours, minutes = int(match[10]), int(match[11])
    if hours > 23 or minutes > 59:
        raise InvalidTimeError("no such zone: its offset is out of range")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if match[9] == "-" else offset)


@lru_cache(maxsize=KEPT_TIMES)
def format_timestamp(moment: datetime) -> str:
    """Return aware `moment` as RFC 3339 in UTC with `Z`; six digits of fraction where it has one."""
    text = (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat()
    return text[:-6] + "Z"


def parse_duration(text: str) -> timedelta:
    """Return the duration `text`: numbers with units `ns us ms s m h d`, such as `24h` or `1h30m`, cut to microseconds.

    Raises InvalidTimeError for another form, and beyond MAX_DURATION.
    """
    if not _DURATION.fullmatch(text):
        raise InvalidTimeError("not a duration such as `90s`, `24h` or `7d`")
    nanoseconds = sum(_part(*found) for found in _PART.findall(text))
    microseconds = nanoseconds // 1000
    if microseconds > MAX_DURATION // timedelta(microseconds=1):
        raise InvalidTimeError("the duration is longer than 10000 years")
    return timedelta(microseconds=-microseconds if text.startswith("-") else microseconds)


def _part(whole: str, fraction: str, unit: str) -> int:
    scale = _NANOSECONDS[unit]
    return int(whole) * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)


def format_duration(length: timedelta) -> str:
    """Return `length` in the largest unit that says it exactly: `7d`, `36h`, `1.5s`; parse_duration's inverse."""
    sign, size = ("-", -length) if length < timedelta() else ("", length)
    for unit, suffix in _WRITTEN:
        if size and size % unit == timedelta():
            return f"{sign}{size // unit}{suffix}"
    return sign + seconds_text(size)


def seconds_text(length: timedelta) -> str:
    """Return `length` in seconds with as many decimals as it needs: `5400s`, `0.25s` (CEL's `string(duration)`)."""
    return nanoseconds_text(length // timedelta(microseconds=1) * 1000)


def nanoseconds_text(total: int) -> str:
    """Return `total` nanoseconds in seconds with as many decimals as they need."""
    whole, nano = divmod(abs(total), 1_000_000_000)
    fraction = f".{nano:09d}".rstrip("0").rstrip(".")
    return f"{'-' if total < 0 else ''}{whole}{fraction}s"
