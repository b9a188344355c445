"""Generated Python, the slow interpreter and cel-cpp on random conditions from the whole language, absences included.

`POLICYENGINE_SEED=N` draws others; `python -m tests.property.differential [ROUNDS]` goes on and on.
"""

from __future__ import annotations

import sys
from random import Random

import pytest

from policyengine.decision.functions import FUNCTIONS
from policyengine.model.expression import Call, Comprehension, Macro, walk
from tests.property.differential import Comparison, compare, drawn
from tests.support.seed import seed

EVALUATIONS = 200_000
ROUND = {"conditions": 400, "devices": 40}  # each condition is compiled once and judges many devices
NEVER_DRAWN = frozenset({"@orValueOfPlain", "type"})  # Kyverno's reading in plain CEL; its value compares with no fact


def test_two_hundred_thousand_evaluations_agree(capsys: pytest.CaptureFixture[str]) -> None:
    number, total = seed(), Comparison()
    random = Random(number)
    while total.compared < EVALUATIONS and not total.differing:
        total.add(compare(random, **ROUND))
    with capsys.disabled():
        sys.stdout.write(
            f"\nseed {number}: {total.with_interpreter} evaluations compared with the interpreter, "
            f"{total.with_cel_cpp} with cel-cpp, {total.decided} decided, {len(total.differing)} differ\n"
        )
    assert not total.differing, f"seed {number}: {total.differing[0]}"
    assert total.with_cel_cpp > EVALUATIONS / 10
    assert EVALUATIONS / 4 < total.decided < total.compared


def test_the_grammar_draws_every_function_and_macro() -> None:
    """What is never drawn is never compared."""
    _, nodes = drawn(Random(2026), 8000)
    found = [node for root in nodes for node in walk(root)]
    called = {node.function for node in found if isinstance(node, Call)}
    looped = {node.macro for node in found if isinstance(node, Comprehension)}
    assert set(FUNCTIONS) - called == NEVER_DRAWN
    assert set(Macro) == looped
