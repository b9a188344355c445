"""Our own cases beside google/cel-spec's, through what `policyengine cel eval` prints."""

from __future__ import annotations

import pytest

from tests.conformance.running import answered
from tests.conformance.variations import FAILS, REFUSED, TRUE, lines


@pytest.mark.parametrize("expression", lines(TRUE))
@pytest.mark.parametrize("is_unchecked", [False, True], ids=["checked", "unchecked"])
def test_an_expression_that_holds_is_true(expression: str, is_unchecked: bool) -> None:
    answer = answered({"id": "a", "expr": expression, "disable_check": is_unchecked})
    assert answer.get("value") == {"t": "bool", "v": True}, answer


@pytest.mark.parametrize("expression", lines(FAILS))
@pytest.mark.parametrize("is_unchecked", [False, True], ids=["checked", "unchecked"])
def test_an_expression_that_cannot_be_computed_is_an_error(expression: str, is_unchecked: bool) -> None:
    answer = answered({"id": "a", "expr": expression, "disable_check": is_unchecked})
    assert answer["kind"] == "error", answer


@pytest.mark.parametrize("expression", lines(REFUSED))
def test_an_expression_that_has_no_type_is_a_compile_error_at_its_place(expression: str) -> None:
    answer = answered({"id": "a", "expr": expression})
    assert answer["kind"] == "compile_error", answer
    assert all(0 <= problem["offset"] <= len(expression) for problem in answer["problems"])
