"""What `policyengine check` prints: its diagnostics as text, JSON, SARIF, annotations, JUnit or Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from itertools import groupby
from typing import TYPE_CHECKING, assert_never

from policyengine.language.diagnostics import as_document, as_text
from policyengine.model.diagnostic import Diagnostic, Level

if TYPE_CHECKING:
    from policyengine.reports.junit import JunitCase
    from policyengine.reports.sarif import SarifRule


class CheckOutput(StrEnum):
    """How diagnostics are printed."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    JUNIT = "junit"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A repository as it was named, the documents read in it, and everything found, in order.

    `below` is the repository's path from where the command runs, which in CI is the checkout's root; empty if unknown.
    """

    directory: str
    below: str
    documents: tuple[str, ...]
    found: tuple[Diagnostic, ...]


def rendered(checked: Checked, output: CheckOutput) -> str:
    """Return the report on `checked` in the form `output`."""
    match output:
        case CheckOutput.TABLE:
            return _lines(checked)
        case CheckOutput.JSON:
            return json.dumps([as_document(one) for one in checked.found], indent=2, ensure_ascii=False)
        case CheckOutput.SARIF:
            return _sarif(checked)
        case CheckOutput.GITHUB:
            from policyengine.reports.annotations import as_annotations

            return as_annotations(checked.found, below=checked.below)
        case CheckOutput.JUNIT:
            return _junit(checked)
        case CheckOutput.MARKDOWN:
            from policyengine.reports.markdown import as_markdown

            return as_markdown(f"Check of {checked.directory}", checked.found)
        case _:
            assert_never(output)


def _lines(checked: Checked) -> str:
    from policyengine.reports.markdown import counted

    return "\n".join([*map(as_text, checked.found), f"{checked.directory}: {counted(checked.found)}"])


def _sarif(checked: Checked) -> str:
    from policyengine.reports.sarif import SarifResult, Tool, as_sarif

    results = [SarifResult(diagnostic=one, replacement=one.suggestion) for one in checked.found]
    rules = {code: _rule(code) for code in {one.code for one in checked.found}}
    return as_sarif(Tool(name="policyengine", version=version("policyengine")), rules, results, below=checked.below)


def _rule(code: str) -> SarifRule:
    from policyengine.adapters.explanations import explanation_of
    from policyengine.language.codes import MEANINGS
    from policyengine.reports.sarif import SarifRule

    return SarifRule(meaning=MEANINGS[code], help=explanation_of(code))


def _junit(checked: Checked) -> str:
    from policyengine.reports.junit import JunitSuite, as_junit

    found = {file: tuple(group) for file, group in groupby(checked.found, key=lambda one: one.file)}
    files = sorted({*checked.documents, *found})
    cases = [case for file in files for case in _junit_cases(file, found.get(file, ()))]
    return as_junit([JunitSuite(name="policyengine check", cases=cases)])


def _junit_cases(file: str, found: Iterable[Diagnostic]) -> list[JunitCase]:
    """Return a case for each error in `file`, or one that passed: warnings have no place in JUnit."""
    from policyengine.reports.junit import JunitCase

    errors = [one for one in found if one.severity is Level.ERROR]
    failed = [
        JunitCase(group=file, name=one.code, problem=one.message, details=as_text(one), file=file, line=one.line)
        for one in errors
    ]
    return failed or [JunitCase(group=file, name="check", file=file)]


def documents_in(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the paths of the documents among `files`."""
    from policyengine.language.layout import is_document

    return tuple(sorted(filter(is_document, files)))
