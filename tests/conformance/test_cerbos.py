"""Cerbos' `cel_eval` cases, with Cerbos' own functions given to the engine."""

from __future__ import annotations

import pytest

from tests.conformance.cerbos import bindings, cases, expressions, holds, outcome
from tests.conformance.known import CERBOS
from tests.conformance.running import vectors

DIRECTORY = vectors() / "cerbos-cel-eval"

pytestmark = pytest.mark.skipif(
    not DIRECTORY.is_dir(), reason=f"Cerbos vectors are not at {DIRECTORY}; set POLICYENGINE_VECTORS"
)


def test_every_condition_gets_cerbos_verdict_but_those_with_a_reason() -> None:
    judged = {
        name: holds(case["condition"], bindings(case["request"])) is case["want"] for name, case in cases(DIRECTORY)
    }
    assert len(judged) == 17
    assert {name for name, is_right in judged.items() if not is_right} == set(CERBOS)


def test_only_one_expression_of_each_known_case_differs() -> None:
    for name, case in cases(DIRECTORY):
        if name in CERBOS:
            variables = bindings(case["request"])
            wrong = [text for text in expressions(case["condition"]) if outcome(text, variables) is not True]
            assert len(wrong) == 1
