from __future__ import annotations

from policyengine.model.diagnostic import Diagnostic, Level
from policyengine.reports.markdown import as_markdown, code, prose


def found(message: str = "no `word`", severity: Level = Level.ERROR) -> Diagnostic:
    return Diagnostic(file="a.yaml", line=3, column=5, code="x.y", severity=severity, message=message, help="mend it")


def test_a_row_says_where_what_and_what_to_do() -> None:
    last = as_markdown("Check", [found()]).splitlines()[-1]
    assert last == "| `a.yaml:3:5` | error | `x.y` | no `word` | mend it |"


def test_a_clean_repository_has_no_table() -> None:
    assert as_markdown("Check", []) == "## Check\n\n0 errors, 0 warnings, 0 notes."


def test_one_is_singular() -> None:
    assert "1 error, 0 warnings, 0 notes." in as_markdown("Check", [found()])


def test_a_pipe_in_code_does_not_end_the_cell() -> None:
    assert code("a || b") == "`a \\|\\| b`"


def test_markup_in_prose_is_text() -> None:
    assert prose("<img> [x](y) *z*") == "&lt;img&gt; \\[x\\](y) \\*z\\*"


def test_a_message_cannot_begin_a_line_of_its_own() -> None:
    assert prose("a\n\n# b") == "a \\# b"


def test_a_message_cannot_mention_people() -> None:
    assert prose("@all") == "\\@all"
