from __future__ import annotations

import pytest

from policyengine.language.regions import with_ends
from policyengine.model.diagnostic import Diagnostic, Level


def end(line: str, column: int) -> int:
    found = Diagnostic(file="a", line=1, column=column, code="x.y", severity=Level.ERROR, message="")
    return with_ends([found], {"a": line.encode()})[0].end_column


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("severity: high", "severity"),
        ("boot.secur && x", "boot.secur"),
        ('"a b": 1', '"a b"'),
        ("'it''s', x", "'it''s'"),
        ("*alias here", "*alias"),
        ("&& x", "&&"),
        ("engineering/boot, x", "engineering/boot"),
        ("1.0 # x", "1.0"),
        ("etsi:5.7-1]", "etsi:5.7-1"),
        ("{a: b}", "{"),
    ],
)
def test_a_diagnostic_ends_with_the_word_it_means(line: str, meant: str) -> None:
    assert end(f"  {line}", 3) == 3 + len(meant)


def test_a_place_at_the_end_of_a_line_has_no_end() -> None:
    assert end("abc", 4) == 0


def test_a_file_that_was_not_read_has_no_end() -> None:
    found = Diagnostic(file="b", line=7, column=1, code="x.y", severity=Level.ERROR, message="")
    assert with_ends([found], {}) == (found,)
