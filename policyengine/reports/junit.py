"""JUnit XML, as CI systems read it: suites of cases, each of which passed or says why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from policyengine.reports.xml_text import xml_text


@dataclass(frozen=True, slots=True, kw_only=True)
class JunitCase:
    """One thing that was tried. `problem` is one line (empty: it passed), `details` the rest."""

    group: str
    name: str
    problem: str = ""
    details: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JunitSuite:
    """Cases under a name."""

    name: str
    cases: Sequence[JunitCase]

    @property
    def failures(self) -> int:
        """How many of its cases did not pass."""
        return sum(bool(case.problem) for case in self.cases)


def as_junit(suites: Iterable[JunitSuite]) -> str:
    """Return `suites` as one JUnit XML document."""
    every = tuple(suites)
    root = ElementTree.Element(
        "testsuites",
        tests=str(sum(len(suite.cases) for suite in every)),
        failures=str(sum(suite.failures for suite in every)),
    )
    for suite in every:
        _add_suite(root, suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _add_suite(root: ElementTree.Element, suite: JunitSuite) -> None:
    element = ElementTree.SubElement(
        root, "testsuite", name=xml_text(suite.name), tests=str(len(suite.cases)), failures=str(suite.failures)
    )
    for case in suite.cases:
        _add_case(element, case)


def _add_case(suite: ElementTree.Element, case: JunitCase) -> None:
    entry = ElementTree.SubElement(suite, "testcase", classname=xml_text(case.group), name=xml_text(case.name))
    if case.file:
        entry.set("file", xml_text(case.file))
    if case.line:
        entry.set("line", str(case.line))
    if case.problem:
        failure = ElementTree.SubElement(entry, "failure", message=xml_text(case.problem))
        failure.text = xml_text(case.details) or None
