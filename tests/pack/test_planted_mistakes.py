"""Mistakes people make, planted one by one into the starter pack: each is found at its line, under its code.

Columns are checked where the pack's own text fixes them; lines always.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest

from policyengine.language.compiler import Compilation, compile_tree
from policyengine.model.diagnostic import Level
from tests.pack.mistakes import MISTAKES, PACK, Mistake

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@cache
def compiled(mistake: Mistake) -> Compilation:
    return compile_tree(mistake.planted(), now=NOW)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_planted_mistake_is_found_at_its_line(mistake: Mistake) -> None:
    lines = mistake.planted()[mistake.file].decode().splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if mistake.marker in text)
    found = compiled(mistake).diagnostics
    places = [(one.line, one.column) for one in found if (one.file, one.code) == (mistake.file, mistake.code)]
    assert line in [at for at, _ in places], found
    if mistake.column:
        assert (line, lines[line - 1].index(mistake.column) + 1) in places


@pytest.mark.parametrize("mistake", [one for one in MISTAKES if one.code.startswith("cel.")], ids=lambda one: one.name)
def test_a_condition_that_does_not_compile_is_not_also_missing_from_its_tests(mistake: Mistake) -> None:
    """One slip must not bury its author in what follows from it."""
    assert "test.unknown-rule" not in {one.code for one in compiled(mistake).diagnostics}


@pytest.mark.parametrize(
    "mistake", [one for one in MISTAKES if one.code != "params.unused"], ids=lambda mistake: mistake.name
)
def test_nothing_compiles_with_a_mistake_in_it(mistake: Mistake) -> None:
    assert compiled(mistake).bundle is None
    assert Level.ERROR in {one.severity for one in compiled(mistake).diagnostics}


def test_all_mistakes_of_a_tree_are_reported_at_once() -> None:
    wrong = {one.file: one for one in MISTAKES if one.code.startswith("cel.")}
    planted = {**PACK, **{name: one.planted()[name] for name, one in wrong.items()}}
    found = {(one.file, one.code) for one in compile_tree(planted, now=NOW).diagnostics}
    assert found >= {(name, one.code) for name, one in wrong.items()}
