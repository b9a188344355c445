from __future__ import annotations

from dataclasses import replace

from policyengine.language.diagnostics import as_document, as_text, did_you_mean, has_errors, in_order, proposed
from policyengine.model.diagnostic import Diagnostic, Level


def diagnostic(file: str = "a.yaml", line: int = 1, column: int = 1, severity: Level = Level.ERROR) -> Diagnostic:
    return Diagnostic(
        file=file, line=line, column=column, code="x.y", severity=severity, message="no `b`", help="did you mean `c`?"
    )


def test_diagnostics_are_sorted_by_file_line_and_column() -> None:
    first, second, third = diagnostic(line=2, column=9), diagnostic(line=10), diagnostic(file="b.yaml")
    assert in_order([third, second, first]) == (first, second, third)


def test_a_repeated_diagnostic_is_shown_once() -> None:
    assert in_order([diagnostic(), diagnostic()]) == (diagnostic(),)


def test_a_line_of_text_starts_with_the_place() -> None:
    assert as_text(diagnostic(line=3, column=7)) == "a.yaml:3:7: error[x.y] no `b`\n  help: did you mean `c`?"


def test_the_document_has_the_published_keys() -> None:
    keys = {"file", "line", "column", "end_column", "code", "severity", "message", "help", "suggestion"}
    assert as_document(diagnostic()).keys() == keys


def test_warnings_are_not_errors() -> None:
    assert not has_errors([diagnostic(severity=Level.WARNING), diagnostic(severity=Level.INFO)])


def test_a_misspelling_gets_the_closest_word() -> None:
    assert did_you_mean("severty", ["severity", "controls"]) == "did you mean `severity`?"


def test_a_word_like_no_other_gets_the_list_if_it_is_short() -> None:
    assert did_you_mean("zzz", ["b", "a"]) == "known: `a`, `b`"


def test_a_word_like_no_other_gets_nothing_if_the_list_is_long() -> None:
    assert did_you_mean("zzz", map(str, range(100))) == ""


def test_a_proposed_word_can_be_put_in_place_by_a_program() -> None:
    assert proposed(diagnostic()) == "c"


def test_other_advice_is_no_suggestion() -> None:
    assert proposed(replace(diagnostic(), help="known: `a`, `b`")) == ""
