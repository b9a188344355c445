"""Times as whole microseconds since 1970, the form in which nonces and tables keep them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Return aware `moment` as microseconds since 1970-01-01T00:00:00Z."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Return the aware UTC time that lies `value` microseconds after 1970-01-01T00:00:00Z."""
    return _EPOCH + timedelta(microseconds=value)
