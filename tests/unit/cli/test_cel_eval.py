"""`policyengine cel eval`: every line is answered, whatever it or its neighbours hold (DESIGN section 11)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from policyengine.cli import cel
from policyengine.cli.main import app

GOOD = b'{"id": "good", "expr": "1 + 1"}'


def answers(tmp_path: Path, *lines: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the answers to `lines`, each strict JSON, and the exit code."""
    file = tmp_path / "requests.jsonl"
    file.write_bytes(b"\n".join(lines))
    result = CliRunner().invoke(app, ["cel", "eval", str(file)])

    def refuse(constant: str) -> object:
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in result.stdout.splitlines()], result.exit_code


def request(expression: str, **more: object) -> bytes:
    return json.dumps({"id": "x", "expr": expression, **more}).encode()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"not json", "json.syntax"),
        (b"\xff\xfe", "json.encoding"),
        (b"[]", "cel.request"),
        (b'{"id": 1}', "cel.request"),
        (b'{"id": 1, "expr": 7}', "cel.request"),
        (b'{"id": 1, "expr": "1", "expr": "2"}', "json.duplicate-key"),
        (b'{"id": 1e400, "expr": "1"}', "json.number"),
        (b'{"id": 1, "expr": "1", "bindings": []}', "cel.request"),
        (b'{"id": 1, "expr": "1", "container": 7}', "cel.request"),
        (b'{"id": 1, "expr": "1", "disable_check": "yes"}', "cel.request"),
        (b"[" * 100 + b"]" * 100, "json.too-deep"),
        (b"x" * (cel.MAX_LINE + 10), "json.too-large"),
    ],
)
def test_a_line_that_is_no_request_says_why_and_stops_no_other(tmp_path: Path, line: bytes, code: str) -> None:
    (before, refused, after), exit_code = answers(tmp_path, GOOD, line, GOOD)
    assert before == after == {"id": "good", "kind": "value", "value": {"t": "int", "v": "2"}, "type": "int"}
    assert (refused["kind"], refused["code"], exit_code) == ("error", code, 2)


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ({"container": "1.2"}, "cel.invalid"),
        ({"type_env": {"variables": {"int": "int"}}}, "cel.invalid"),
        ({"type_env": {"variables": {"x": "bogus"}}}, "cel.type-form"),
        ({"bindings": {"x": {"t": "int", "v": 7}}}, "cel.typed-value"),
        ({"bindings": {"x": {"t": "int", "v": "9223372036854775808"}}}, "cel.typed-value"),
        ({"bindings": {"x": {"t": "proto", "v": ""}}}, "cel.typed-value"),
    ],
)
def test_declarations_and_values_that_are_none_are_an_error_of_their_line(
    tmp_path: Path, declared: dict[str, object], code: str
) -> None:
    (refused, good), _ = answers(tmp_path, request("1", **declared), GOOD)
    assert refused["kind"] in ("error", "compile_error")
    assert refused["code"] == code
    assert good["kind"] == "value"


def _doubled(levels: int) -> str:
    text = f"a{levels - 1}"
    for level in reversed(range(levels)):
        text = f"cel.bind(a{level}, {'[0, 0]' if level == 0 else f'[a{level - 1}, a{level - 1}]'}, {text})"
    return text


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("lists.range(60000).map(x, lists.range(60000))", "cel.memory"),
        ("lists.range(60000).map(x, lists.range(60000).map(y, y))", "cel.cost"),
        ("lists.range(60000).all(x, lists.range(60000).all(y, y >= 0))", "cel.cost"),
        ("lists.range(1000000000)", "cel.size"),
        (_doubled(29), "cel.size"),
        (f"'%s'.format([{_doubled(18)}])", "cel.size"),
        ("[" * 200 + "]" * 200, "cel.too-deep"),
        ("1" + " + 1" * 3000, "cel.too-deep"),
        ("'" + "a" * 20_000 + "'", "cel.too-long"),
    ],
)
def test_an_expression_that_would_never_end_or_fill_the_memory_is_an_error(
    tmp_path: Path, expression: str, code: str
) -> None:
    started = time.process_time()
    (answer, good), _ = answers(tmp_path, request(expression), GOOD)
    assert answer["code"] == code
    assert good["kind"] == "value"
    assert time.process_time() - started < cel.MAX_SECONDS


def test_what_no_other_limit_stops_is_stopped_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cel, "MAX_SECONDS", 0.2)
    (answer, good), _ = answers(tmp_path, request(f"{_doubled(27)} == {_doubled(27)}"), GOOD)
    assert (answer["id"], answer["kind"], answer["code"]) == ("x", "error", "cel.time")
    assert good["kind"] == "value"


def test_a_long_chain_of_operators_without_types_compiles_at_once(tmp_path: Path) -> None:
    """Each operator writes its operands once: twice would be two to the power of thirty."""
    started = time.process_time()
    (answer,), _ = answers(tmp_path, request("dyn(3)" + " - 3" * 30, disable_check=True))
    assert answer["value"] == {"t": "int", "v": "-87"}
    assert time.process_time() - started < cel.MAX_SECONDS
