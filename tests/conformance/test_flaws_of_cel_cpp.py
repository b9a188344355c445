"""Where cel-cpp 0.1.3 is no oracle: written expectations instead (docs/adr/0004-cel-front-end.md).

It cuts texts from outside at NUL, dies of deep nesting, has no times inside dynamic values, confuses bound names with
those of loops, and throws on a negative range.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.running import answered

MOMENT = {"t": "timestamp", "v": "2026-01-02T03:04:05.000000006Z"}
LENGTH = {"t": "duration", "v": "90.5s"}
BINDINGS: dict[str, Any] = {
    "text": {"t": "string", "v": "a\0b"},
    "key": {"t": "map", "v": [[{"t": "string", "v": "k\0"}, {"t": "string", "v": "\0"}]]},
    "held": {"t": "map", "v": [[{"t": "string", "v": "at"}, MOMENT], [{"t": "string", "v": "age"}, LENGTH]]},
    "times": {"t": "list", "v": [MOMENT, {"t": "timestamp", "v": "2025-01-01T00:00:00Z"}]},
}
TRUE = [
    r"text == 'a\x00b' && size(text) == 3 && text != 'a'",
    r"text.contains('b') && text.endsWith('\x00b') && text.indexOf('b') == 2",
    r"(text + 'c').size() == 4 && text.split('\x00') == ['a', 'b'] && text in ['a\x00b'] && !(text in ['a'])",
    r"text.matches('^a\\x00b$') && !text.matches('^a$') && text.substring(2) == 'b'",
    r"key['k\x00'] == '\x00' && !('k' in key) && size(bytes(text)) == 3",
    "held.at > timestamp('2026-01-02T03:04:05Z') && held.at.getHours() == 3 && held.at.getDayOfYear() == 1",
    "held.at - timestamp('2026-01-02T03:04:05Z') == duration('6ns')",
    "held.at + held.age == timestamp('2026-01-02T03:05:35.500000006Z') && held.age.getSeconds() == 90",
    "type(held.at) == google.protobuf.Timestamp && type(held.age) == google.protobuf.Duration",
    "string(held.at) == '2026-01-02T03:04:05.000000006Z' && int(held.at) == 1767323045",
    "times.exists(at, at < held.at) && times.sort()[1] == held.at && held.at in times && times.distinct().size() == 2",
    "cel.bind(x, 1, [2, 3].map(y, cel.bind(z, y, x + z))) == [3, 4]",
    "[1, 2].map(x, cel.bind(y, x, [3].map(z, x + y + z)[0])) == [5, 7]",
    "cel.bind(x, [3, 1], x.sortBy(y, y).map(y, cel.bind(z, y, z + x[0]))) == [4, 6]",
    "lists.range(-1) == [] && {'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
]


@pytest.mark.parametrize("expression", TRUE)
def test_the_engine_does_what_is_written(expression: str) -> None:
    answer = answered({"id": "a", "expr": expression, "bindings": BINDINGS})
    assert answer.get("value") == {"t": "bool", "v": True}, answer


@pytest.mark.parametrize("shape", ["(", "[", "{1: ", "-(", "f(", "a[", "true ? (", "[1].all(x, "])
@pytest.mark.parametrize("depth", [100, 1000, 100_000])
def test_deep_nesting_is_a_compile_error_of_its_line(shape: str, depth: int) -> None:
    answer = answered({"id": "a", "expr": shape * depth})
    assert answer["kind"] == "compile_error"
    assert answer["code"] in ("cel.too-deep", "cel.too-long")
