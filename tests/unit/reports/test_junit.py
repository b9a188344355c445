from __future__ import annotations

from xml.etree import ElementTree

from policyengine.reports.junit import JunitCase, JunitSuite, as_junit

PASSED = JunitCase(group="it/a", name="good secure-boot")
FAILED = JunitCase(group="it/a", name="bad", problem="expected fail", details="seen pass", file="it/a.yaml", line=7)


def suites(*cases: JunitCase) -> ElementTree.Element:
    return ElementTree.fromstring(as_junit([JunitSuite(name="all", cases=cases)]))


def test_a_suite_counts_its_cases_and_failures() -> None:
    (suite,) = suites(PASSED, FAILED, FAILED)
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("all", "3", "2")


def test_the_document_counts_all_suites() -> None:
    text = as_junit([JunitSuite(name="a", cases=[PASSED]), JunitSuite(name="b", cases=[FAILED])])
    root = ElementTree.fromstring(text)
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "2", "1")


def test_a_failure_says_where_and_why() -> None:
    ((case,),) = suites(FAILED)
    failure = case.find("failure")
    assert failure is not None
    assert (case.get("file"), case.get("line"), failure.get("message"), failure.text) == (
        "it/a.yaml",
        "7",
        "expected fail",
        "seen pass",
    )


def test_a_case_that_passed_holds_nothing() -> None:
    ((case,),) = suites(PASSED)
    assert list(case) == []


def test_a_character_that_xml_cannot_hold_is_replaced() -> None:
    """XML 1.0 section 2.2."""
    ((case,),) = suites(JunitCase(group="it/a", name="a\x00b\ud800"))
    assert case.get("name") == "a\ufffdb\ufffd"


def test_markup_in_a_name_stays_text() -> None:
    ((case,),) = suites(JunitCase(group="it/a", name='"><failure/>'))
    assert case.get("name") == '"><failure/>'
