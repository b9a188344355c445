"""Every check of evidence can be explained to who was refused by it, and its page exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from policyengine.attestation.check_pages import page_of
from policyengine.cli.main import app
from policyengine.services.check_explanation import explain_check, requirements
from tests.mutants.table import requirements as known

ROOT = Path(__file__).parents[3]


def test_every_check_of_every_format_is_explained() -> None:
    assert requirements().keys() >= known().keys()


@pytest.mark.parametrize("check", sorted(filter(page_of, requirements())))
def test_the_page_of_a_check_exists_and_has_the_anchor(check: str) -> None:
    page, _, anchor = str(page_of(check)).partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert not anchor or anchor in {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_only_endorsements_have_no_page_of_checks() -> None:
    """Their checks are on what vendors sign, not on what devices send."""
    assert {check.partition(".")[0] for check in requirements() if page_of(check) is None} <= {"corim"}


def test_a_check_that_no_format_has_is_not_explained() -> None:
    assert explain_check("psa.nonsense") is None


def test_explain_prints_clause_expectation_and_page() -> None:
    output = CliRunner().invoke(app, ["explain", "psa.nonce"]).stdout
    assert output.startswith("psa.nonce  (RFC 9783 section 4.1.1)")
    assert "one nonce of 32, 48 or 64 bytes, equal to the challenge" in output
    assert "docs/evidence.md#checks" in output
