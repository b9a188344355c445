"""CEL's timestamps and durations: conversions, zones and accessors (cel-spec langdef, "Timestamps and Durations")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policyengine.decision.arithmetic import int64
from policyengine.decision.errors import CelError, no_overload
from policyengine.decision.nanos import EPOCH, nanos, read_duration, read_time
from policyengine.model.times import InvalidTimeError

CACHED_TEXTS = 4096  # constants of all rules, and the few texts that facts repeat

_OFFSET = re.compile(r"([+-]?)(\d{1,2}):(\d{2})", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+\-/]{0,63}", re.ASCII)


def timestamp(value: object) -> datetime:
    """Return CEL's `timestamp(value)` of an RFC 3339 text, of seconds since 1970, or of a timestamp."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return _timestamp(value)
    if type(value) is int:
        return EPOCH + timedelta(seconds=value)
    raise no_overload("timestamp", value)


@lru_cache(maxsize=CACHED_TEXTS)
def _timestamp(text: str) -> datetime:
    try:
        return read_time(text)
    except InvalidTimeError as cause:
        raise CelError("cel.conversion", cause.message) from cause


def duration(value: object) -> timedelta:
    """Return CEL's `duration(value)` of a text such as `1h30m` (no days), or of a duration."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return _duration(value)
    raise no_overload("duration", value)


@lru_cache(maxsize=CACHED_TEXTS)
def _duration(text: str) -> timedelta:
    try:
        return read_duration(text)
    except InvalidTimeError as cause:
        raise CelError("cel.conversion", cause.message) from cause


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        return _fixed(offset)
    if not _ZONE.fullmatch(name):
        raise CelError("cel.zone", "not a time zone")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise CelError("cel.zone", f"no time zone is called `{name}`") from cause


def _fixed(match: re.Match[str]) -> tzinfo:
    hours, minutes = int(match[2]), int(match[3])
    if hours > 23 or minutes > 59:
        raise CelError("cel.zone", "the zone's offset is out of range")
    size = timedelta(hours=hours, minutes=minutes)
    return timezone(-size if match[1] == "-" else size)


def _local(moment: datetime, zone: object) -> datetime:
    if not isinstance(zone, str):
        raise no_overload("getHours", moment, zone)
    return moment if zone in ("UTC", "") else moment.astimezone(_zone(zone))


_FIELDS: Mapping[str, Callable[[datetime], int]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
    "getMilliseconds": lambda moment: moment.microsecond // 1000,
}
_LENGTHS: Mapping[str, int] = {
    "getHours": 3_600_000_000_000,
    "getMinutes": 60_000_000_000,
    "getSeconds": 1_000_000_000,
}


def accessor(name: str) -> Callable[..., int]:
    """Return CEL's accessor `name`: a field of a timestamp in a zone (UTC unless given), or a count of a duration."""
    field = _FIELDS[name]

    def read(value: object, zone: object = "UTC") -> int:
        if isinstance(value, datetime):
            return field(_local(value, zone))
        if isinstance(value, timedelta):
            return _counted(name, value)
        raise no_overload(name, value)

    return read


def _counted(name: str, length: timedelta) -> int:
    total = nanos(length)
    sign, size = (-1, -total) if total < 0 else (1, total)
    if name == "getMilliseconds":  # the fraction only, not the whole length
        return sign * (size % 1_000_000_000 // 1_000_000)
    if name not in _LENGTHS:
        raise no_overload(name, length)
    return sign * (size // _LENGTHS[name])


ACCESSORS: Mapping[str, Callable[..., int]] = {name: accessor(name) for name in _FIELDS}


def seconds_since_epoch(moment: datetime) -> int:
    """Return CEL's `int(timestamp)`: whole seconds, rounded down."""
    return int64(nanos(moment) // 1_000_000_000)
