"""Workflow commands as GitHub Actions reads them: `::error file=...,line=...::message`, with % as the escape."""

from __future__ import annotations

from policyengine.model.diagnostic import Diagnostic, Level
from policyengine.reports.annotations import as_annotations


def found(message: str = "wrong", file: str = "a.yaml", severity: Level = Level.ERROR) -> Diagnostic:
    return Diagnostic(file=file, line=3, column=5, end_column=8, code="x.y", severity=severity, message=message)


def test_an_annotation_names_place_and_code() -> None:
    assert as_annotations([found()]) == "::error file=a.yaml,line=3,col=5,title=x.y,endColumn=8::wrong"


def test_paths_start_at_the_root_of_the_checkout() -> None:
    assert as_annotations([found()], below="policies").startswith("::error file=policies/a.yaml,")


def test_a_note_is_a_notice() -> None:
    assert as_annotations([found(severity=Level.INFO)]).startswith("::notice ")


def test_a_message_cannot_start_a_command_of_its_own() -> None:
    assert as_annotations([found(message="a\n::error::b")]).count("\n") == 0


def test_a_file_name_cannot_add_a_property() -> None:
    assert "file=a%2Cline=9%3A%3A.yaml," in as_annotations([found(file="a,line=9::.yaml")])
