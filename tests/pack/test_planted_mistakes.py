"""Mistakes people make, planted one by one into the starter pack: each is found at its line, under its code.

Columns are checked where the pack's own text fixes them; lines always.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest

from policyengine.language.compiler import Compilation, compile_tree
from policyengine.language.history import compare
from policyengine.model.diagnostic import Diagnostic, Level
from tests.pack.mistakes import GATEWAY, MISTAKES, PACK, Mistake

SEVERAL_STEPS = {"unknown function"}  # the nearest function is for versions: its argument must change as well
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


def finding(mistake: Mistake) -> Diagnostic:
    lines = mistake.planted()[mistake.file].decode().splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if mistake.marker in text)
    found = compiled(mistake).diagnostics
    return next(one for one in found if (one.file, one.code, one.line) == (mistake.file, mistake.code, line))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_planted_mistake_comes_with_what_to_do(mistake: Mistake) -> None:
    assert len(finding(mistake).help) > len("mend it")


SUGGESTED = [mistake for mistake in MISTAKES if finding(mistake).suggestion and mistake.name not in SEVERAL_STEPS]


@pytest.mark.parametrize("mistake", SUGGESTED, ids=lambda mistake: mistake.name)
def test_the_suggested_word_in_place_of_the_wrong_one_mends_the_repository(mistake: Mistake) -> None:
    found, planted = finding(mistake), mistake.planted()
    lines = planted[mistake.file].decode().splitlines(keepends=True)
    line = lines[found.line - 1]
    lines[found.line - 1] = line[: found.column - 1] + found.suggestion + line[found.end_column - 1 :]
    mended = compile_tree({**planted, mistake.file: "".join(lines).encode()}, now=NOW)
    assert mended.diagnostics == ()


def test_many_mistakes_come_with_a_word_that_mends_them() -> None:
    assert len(SUGGESTED) >= 10


def test_a_policy_changed_without_a_new_version_is_found_at_its_version() -> None:
    changed = PACK[GATEWAY].replace(b"default: 7", b"default: 6")
    (one,) = compare(PACK, {**PACK, GATEWAY: changed})
    assert (one.file, one.code, one.line, one.column) == (GATEWAY, "version.not-raised", 5, 12)
    mended = changed.replace(b"version: 1.0.0", b"version: 1.0.1")
    assert "`1.0.1`" in one.help
    assert compare(PACK, {**PACK, GATEWAY: mended}) == ()


def test_there_are_more_than_forty_ways_to_break_the_pack() -> None:
    assert len({mistake.name for mistake in MISTAKES}) >= 45


HARMLESS = {
    "params.unused",
    "lets.unused",
    "rule.repeated",
    "rule.implied",
    "rule.constant-part",
    "test.untested-rule",
    "waiver.expires-soon",
}


@pytest.mark.parametrize(
    "mistake", [one for one in MISTAKES if one.code not in HARMLESS], ids=lambda mistake: mistake.name
)
def test_nothing_compiles_with_a_mistake_in_it(mistake: Mistake) -> None:
    assert compiled(mistake).bundle is None
    assert Level.ERROR in {one.severity for one in compiled(mistake).diagnostics}


def test_all_mistakes_of_a_tree_are_reported_at_once() -> None:
    wrong = {one.file: one for one in MISTAKES if one.code.startswith("cel.")}
    planted = {**PACK, **{name: one.planted()[name] for name, one in wrong.items()}}
    found = {(one.file, one.code) for one in compile_tree(planted, now=NOW).diagnostics}
    assert found >= {(name, one.code) for name, one in wrong.items()}
