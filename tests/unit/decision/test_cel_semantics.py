"""CEL where Python would mean something else (cel-spec langdef)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from policyengine.decision.errors import ERRORS, reason_of
from policyengine.decision.functions import FUNCTIONS
from policyengine.decision.runtime import items, pairs
from policyengine.decision.values import NONE, Optional, TypeName, Uint, map_key

NAN = math.nan
MOMENT = datetime(2009, 2, 13, 23, 31, 30, tzinfo=UTC)
INT_MAX, INT_MIN = 2**63 - 1, -(2**63)


@pytest.mark.parametrize(
    ("function", "arguments", "value"),
    [
        ("_==_", (1, 1.0), True),
        ("_==_", (Uint(1), 1), True),
        ("_==_", (True, 1), False),
        ("_==_", ("1", 1), False),
        ("_==_", (NAN, NAN), False),
        ("_==_", ((NAN,), (NAN,)), False),
        ("_==_", ((1, (True,)), (1.0, (True,))), True),
        ("_==_", ((1,), (True,)), False),
        ("_==_", ({"a": 1}, {"a": 1.0}), True),
        ("_==_", (None, None), True),
        ("_==_", (2**53 + 1, float(2**53)), True),
        ("_<_", ("￿", "\U0001f600"), True),
        ("_<_", (1, 1.5), True),
        ("_<=_", (NAN, 1.0), False),
        ("@in", (True, (1,)), False),
        ("@in", (1.0, (1,)), True),
        ("@in", (NAN, (NAN,)), False),
        ("@in", (2, {2: "x"}), True),
        ("_/_", (-7, 2), -3),
        ("_%_", (-7, 2), -1),
        ("_%_", (7, -2), 1),
        ("_/_", (1.0, 0.0), math.inf),
        ("_/_", (-1.0, 0.0), -math.inf),
        ("_+_", (Uint(1), Uint(2)), 3),
        ("_[_]", ((1, 2), 1.0), 2),
        ("size", ("\U0001f600",), 1),
        ("int", (-3.9,), -3),
        ("int", ("-42",), -42),
        ("int", (MOMENT,), 1234567890),
        ("uint", (3.9,), 3),
        ("double", ("1e3",), 1000.0),
        ("string", (1.0,), "1"),
        ("string", (True,), "true"),
        ("string", (timedelta(minutes=90),), "5400s"),
        ("string", (MOMENT,), "2009-02-13T23:31:30Z"),
        ("bool", ("True",), True),
        ("bytes", ("ÿ",), b"\xc3\xbf"),
        ("type", (1,), TypeName("int")),
        ("duration", ("1h30m",), timedelta(minutes=90)),
        ("getHours", (MOMENT, "+02:30"), 2),
        ("getDayOfWeek", (MOMENT,), 5),
        ("getDate", (MOMENT, "Asia/Tokyo"), 14),
        ("getDayOfYear", (MOMENT,), 43),
        ("getHours", (timedelta(hours=-25),), -25),
        ("charAt", ("tacocat", 7), ""),
        ("indexOf", ("tacocat", "", 7), 7),
        ("lastIndexOf", ("tacocat", "a", 3), 1),
        ("replace", ("banana", "a", "x", 2), "bxnxna"),
        ("split", ("a,b,c", ",", 2), ("a", "b,c")),
        ("split", ("abc", "", 2), ("a", "bc")),
        ("substring", ("tacocat", 4), "cat"),
        ("matches", ("hubba", "ubb"), True),
        ("lowerAscii", ("TacoCÆt",), "tacocÆt"),
        ("orValue", (NONE, 7), 7),
        ("hasValue", (Optional(present=True, value=None),), True),
    ],
)
def test_a_function_gives_cels_value(function: str, arguments: tuple[object, ...], value: object) -> None:
    seen = FUNCTIONS[function](*arguments)
    assert (seen, type(seen) is bool) == (value, type(value) is bool)


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        ("_+_", (INT_MAX, 1), "cel.overflow"),
        ("_-_", (INT_MIN, 1), "cel.overflow"),
        ("_*_", (INT_MAX, 2), "cel.overflow"),
        ("_/_", (INT_MIN, -1), "cel.overflow"),
        ("-_", (INT_MIN,), "cel.overflow"),
        ("_-_", (Uint(0), Uint(1)), "cel.overflow"),
        ("_/_", (1, 0), "cel.division-by-zero"),
        ("_%_", (Uint(1), Uint(0)), "cel.division-by-zero"),
        ("_+_", (1, 1.0), "cel.no-overload"),
        ("_<_", ("a", 1), "cel.no-overload"),
        ("_<_", (True, 1), "cel.no-overload"),
        ("_[_]", ((1,), -1), "cel.index"),
        ("_[_]", ((1,), 0.5), "cel.index"),
        ("_[_]", ({"a": 1}, "b"), "cel.key"),
        ("_[_]", ({1: "x"}, True), "cel.key"),
        ("int", (1e19,), "cel.overflow"),
        ("int", (2.0**63,), "cel.overflow"),
        ("int", ("1.5",), "cel.conversion"),
        ("uint", (-1,), "cel.overflow"),
        ("string", (b"\xff",), "cel.conversion"),
        ("timestamp", ("2026-02-30T00:00:00Z",), "cel.conversion"),
        ("duration", ("1d",), "cel.conversion"),
        ("duration", ("320000000000s",), "cel.range"),
        ("_+_", (datetime(9999, 12, 31, tzinfo=UTC), timedelta(days=2)), "cel.range"),
        ("getHours", (MOMENT, "Mars/Olympus"), "cel.zone"),
        ("getHours", (MOMENT, "../../etc/passwd"), "cel.zone"),
        ("getHours", (MOMENT, "+99:00"), "cel.zone"),
        ("matches", ("a", "("), "cel.regex"),
        ("matches", ("a", "(?=a)"), "cel.regex"),
        ("value", (NONE,), "cel.optional"),
        ("charAt", ("abc", 4), "cel.index"),
        ("substring", ("abc", 2, 1), "cel.index"),
    ],
)
def test_a_function_fails_with_its_reason(function: str, arguments: tuple[object, ...], reason: str) -> None:
    with pytest.raises(ERRORS) as caught:
        FUNCTIONS[function](*arguments)
    assert reason_of(caught.value) == reason


def test_a_pattern_that_would_backtrack_for_ever_is_linear() -> None:
    assert FUNCTIONS["matches"]("a" * 50_000 + "b", "^(a+)+$") is False


def test_a_map_gives_its_entries_by_key_in_whatever_order_it_was_made() -> None:
    """CEL leaves the order open; a decision made again from stored facts has to be the same."""
    made = [("b", 1), (10, 2), (9, 3), (map_key(True), 4), ("a", 5)]
    by_key = [(True, 4), (9, 3), (10, 2), ("a", 5), ("b", 1)]
    assert [list(pairs(dict(entries))) for entries in permutations(made)] == [by_key] * 120
    assert list(items(dict(made))) == [key for key, _ in by_key]
