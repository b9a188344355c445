"""What an export says to people, to spreadsheets and to OSCAL tools."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.reports.assessment import Assessment, BundleRow, ControlRow, FailingRow, WaiverRow
from policyengine.reports.csv_text import csv_line
from policyengine.reports.evidence_page import as_page
from policyengine.reports.oscal import as_oscal, control_token

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
MET = ControlRow(
    id="etsi:5.3-2",
    title="Updates can be installed securely",
    source="ETSI EN 303 645",
    edition="V2.1.1",
    rules=("it/updates#signed",),
    passed=7,
    failed=0,
    unknown=0,
    waived=1,
    failed_in_period=2,
    weakest="reported",
)
WAIVER = WaiverRow(
    name="spare-part",
    policy="it/updates",
    rules=("it/updates#signed",),
    approvals=("it", "operations"),
    reason="<b>ordered</b>",
    ticket="OPS-412",
    compensating_control="",
    expires=END,
    devices=1,
)
FOUND = Assessment(
    origin="log.example/kestrel",
    framework="etsi",
    start=START,
    end=END,
    scope="site:plant-a",
    devices=9,
    undecided=1,
    decisions=12,
    log_size=40,
    controls=(
        MET,
        replace(MET, id="9.1", passed=3, failed=4, unknown=1, waived=0),
        replace(MET, id="cra:P1(2)(c)", rules=()),
    ),
    waivers=(WAIVER,),
    bundles=(BundleRow(digest="sha256:" + "a" * 64, commit="c0ffee", since=START, actor="sam"),),
    failing=(
        FailingRow(device="gw-1", rule="it/updates#signed", result="fail", since=None, message="<script>", controls=()),
    ),
    failing_count=3,
)


def oscal_result(found: Assessment = FOUND) -> dict[str, object]:
    result: dict[str, object] = json.loads(as_oscal(found))["assessment-results"]["results"][0]
    return result


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(FOUND, id="everything"),
        pytest.param(replace(FOUND, controls=(), waivers=(), bundles=(), failing=()), id="nothing"),
    ],
)
def test_trestle_accepts_the_assessment_results(found: Assessment, tmp_path: Path) -> None:
    """compliance-trestle validates against NIST's own model of OSCAL 1.2.1."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trestle.oscal.assessment_results import AssessmentResults

        path = tmp_path / "assessment-results.json"
        path.write_text(as_oscal(found))
        read = AssessmentResults.oscal_read(path)
    assert read is not None
    assert str(read.results[0].title) == "Devices in scope: site:plant-a"


def test_every_reference_in_the_oscal_document_leads_somewhere() -> None:
    """OSCAL tools accept dangling references, so nobody else would tell."""
    text = as_oscal(FOUND)
    defined = {value for key, value in named_values(json.loads(text)) if key == "uuid"}
    used = {value for key, value in named_values(json.loads(text)) if key.endswith("-uuid")}
    used |= {value[1:] for key, value in named_values(json.loads(text)) if key == "href" and value.startswith("#")}
    assert used <= defined


def named_values(value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        own = [(key, item) for key, item in value.items() if isinstance(item, str)]
        return own + [pair for item in value.values() for pair in named_values(item)]
    return [pair for item in value for pair in named_values(item)] if isinstance(value, list) else []


def test_unknown_devices_leave_a_control_unsatisfied() -> None:
    """`unknown` is no pass."""
    found = oscal_result(replace(FOUND, controls=(replace(MET, unknown=1),)))
    (finding,) = found["findings"]  # type: ignore[misc]
    assert finding["target"]["status"]["state"] == "not-satisfied"


def test_a_control_that_no_device_was_asked_about_is_not_satisfied() -> None:
    found = oscal_result(replace(FOUND, controls=(replace(MET, passed=0, waived=0),)))
    (finding,) = found["findings"]  # type: ignore[misc]
    assert finding["target"]["status"]["state"] == "not-satisfied"


def test_a_waiver_is_an_approved_deviation_that_names_its_approvers() -> None:
    (risk,) = oscal_result()["risks"]  # type: ignore[misc]
    approvers = [each["value"] for each in risk["props"] if each["name"] == "approved-by"]
    assert (risk["status"], approvers) == ("deviation-approved", ["it", "operations"])


@pytest.mark.parametrize(
    ("control", "token"),
    [("etsi:5.3-2", "etsi-5.3-2"), ("cra:P1(2)(c)", "cra-P1-2--c-"), ("9.1", "c-9.1")],
)
def test_control_ids_become_tokens(control: str, token: str) -> None:
    """An OSCAL token has no colon and starts with no digit."""
    assert control_token(control) == token


def test_the_page_shows_what_people_wrote_as_text() -> None:
    page = as_page(FOUND)
    assert ("<script>" in page, "<b>" in page, "&lt;script&gt;" in page) == (False, False, True)


def test_the_page_names_exceptions_approvers_and_the_weakest_source() -> None:
    page = as_page(FOUND)
    assert all(text in page for text in ("it, operations", "OPS-412", "reported", "no rule speaks to it", "And 2 more"))


def test_the_page_fetches_nothing() -> None:
    assert not any(text in as_page(FOUND) for text in ("src=", "href=", "@import", "url("))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\n@"])
def test_no_cell_becomes_a_formula(start: str) -> None:
    """CWE-1236: a spreadsheet would run it when an auditor opens the table."""
    assert csv_line([f"{start}cmd|' /C calc'!A0"]).lstrip(b'"').startswith(b"'")


@given(st.lists(st.text(), min_size=2, max_size=5))
def test_a_record_is_one_line_that_a_reader_splits_as_it_was(cells: list[str]) -> None:
    """RFC 4180, and no record spans lines."""
    line = csv_line(cells).decode()
    (row,) = csv.reader(io.StringIO(line, newline=""))
    assert line.count("\n") == 1
    assert len(row) == len(cells)


def test_a_number_stays_a_number() -> None:
    assert csv_line([-5, None, "x"]) == b"-5,,x\r\n"
