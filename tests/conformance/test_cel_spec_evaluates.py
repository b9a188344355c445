"""google/cel-spec's simple tests, all that are JSON-shaped, through what `policyengine cel eval` prints."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.known import CEL_SPEC
from tests.conformance.running import answered, same, vectors

DIRECTORY = vectors() / "cel-spec"

pytestmark = pytest.mark.skipif(
    not DIRECTORY.is_dir(), reason=f"cel-spec vectors are not at {DIRECTORY}; set POLICYENGINE_VECTORS"
)


def cases(directory: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(directory.glob("*.json")):
        yield from (case for case in json.loads(path.read_text()) if case["json_shaped"])


def conforms(case: Mapping[str, Any]) -> bool:
    expected, answer = case["expect"], answered(case)
    match expected["kind"]:
        case "error":
            return answer["kind"] in ("error", "compile_error")
        case "type":
            return bool(answer.get("type") == expected["type"])
        case _:
            is_typed = "type" not in expected or answer.get("type") == expected["type"]
            return answer["kind"] == "value" and is_typed and same(answer["value"], expected["value"])


def results() -> tuple[Counter[str], Counter[str], list[str]]:
    """Return by kind of expectation how many cases there are and how many conform, and the others by name."""
    total, passed, differing = Counter[str](), Counter[str](), list[str]()
    for case in cases(DIRECTORY):
        kind = case["expect"]["kind"]
        total[kind] += 1
        if conforms(case):
            passed[kind] += 1
        else:
            differing.append(case["id"])
    return total, passed, differing


def test_all_cases_conform_but_those_with_a_reason() -> None:
    total, passed, differing = results()
    assert set(differing) == set(CEL_SPEC)
    wanted = total["value"] + total["error"]
    assert wanted > 1700
    assert (passed["value"] + passed["error"]) / wanted >= 0.99


def test_a_wrong_answer_is_noticed() -> None:
    """The comparison itself: another value, another type and a missing error are three different failures."""
    assert conforms({"id": "a", "expr": "1", "expect": {"kind": "value", "value": {"t": "int", "v": "1"}}})
    assert not conforms({"id": "a", "expr": "2", "expect": {"kind": "value", "value": {"t": "int", "v": "1"}}})
    assert not conforms({"id": "a", "expr": "1u", "expect": {"kind": "value", "value": {"t": "int", "v": "1"}}})
    assert not conforms({"id": "a", "expr": "1", "expect": {"kind": "error"}})
    assert not conforms({"id": "a", "expr": "1 / 0", "expect": {"kind": "value", "value": {"t": "int", "v": "1"}}})
