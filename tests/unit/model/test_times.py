"""RFC 3339 timestamps and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.model.times import (
    MAX_DURATION,
    InvalidTimeError,
    format_duration,
    format_timestamp,
    parse_duration,
    parse_timestamp,
    seconds_text,
)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_timestamp_reads_back(moment: datetime) -> None:
    assert parse_timestamp(format_timestamp(moment)) == moment


@given(st.timedeltas(-MAX_DURATION, MAX_DURATION))
def test_a_duration_reads_back(length: timedelta) -> None:
    assert parse_duration(format_duration(length)) == parse_duration(seconds_text(length)) == length


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T00:00:00Z", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23t02:00:00.5+02:00", datetime(2026, 11, 23, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-23T00:00:00.123456789z", datetime(2026, 11, 23, 0, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_a_timestamp_may_have_any_zone_and_fraction(text: str, moment: datetime) -> None:
    assert parse_timestamp(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23",
        "2026-11-23T00:00:00",
        "2026-02-30T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T23:59:60Z",
        "2026-11-23T00:00:00+24:00",
        "0001-01-01T00:00:00+01:00",
        "\uff12026-11-23T00:00:00Z",
        "2026-11-23 00:00:00Z",
        "",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidTimeError):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("7d", timedelta(days=7)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
    ],
)
def test_a_duration_has_units(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "90", "s", "1 h", "1w", "h1", "9999999999d", "\uff11s", "1h "])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidTimeError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("length", "text"), [(timedelta(days=7), "7d"), (timedelta(hours=36), "36h"), (timedelta(), "0s")]
)
def test_a_duration_is_written_in_its_largest_unit(length: timedelta, text: str) -> None:
    assert format_duration(length) == text
