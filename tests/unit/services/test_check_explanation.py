"""Every check of evidence can be explained to who was refused by it, and its page exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from policyengine.attestation.documents import malformed_document
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.malformed_codes import MEANINGS
from policyengine.cli.main import app
from policyengine.services.authoring.check_explanation import explain_check, explained, requirements
from policyengine.services.checkins import refusal_codes
from tests.mutants.table import requirements as known

ROOT = Path(__file__).parents[3]


def test_every_check_of_every_format_is_explained() -> None:
    assert requirements().keys() >= known().keys()


@pytest.mark.parametrize("check", sorted(explained()))
def test_the_page_of_a_check_or_code_exists_has_the_anchor_and_says_its_name(check: str) -> None:
    found = explain_check(check)
    assert found is not None
    page, _, anchor = str(found.documentation).partition("#")
    text = (ROOT / page).read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    assert not anchor or anchor in {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
    assert f"`{check}`" in text


def test_every_code_that_malformed_evidence_is_refused_with_is_explained() -> None:
    """Read from the source, so that a new one cannot be forgotten."""
    raised = re.compile(r"(?:MalformedEvidenceError|\brefused|_malformed)\(\s*\"([a-z]+\.[a-z-]+)\"")
    sources = (ROOT / "policyengine" / "attestation").rglob("*.py")
    codes = {code for source in sources for code in raised.findall(source.read_text())}
    assert {"tpm.container", "eventlog.pcr"} <= codes
    assert codes - {"inspect.unknown"} <= MEANINGS.keys()


def test_the_page_for_devices_lists_every_code_of_a_refusal_with_its_meaning() -> None:
    page = (ROOT / "docs/device.md").read_text()
    assert [code for code, meaning in refusal_codes.MEANINGS.items() if f"| `{code}` | {meaning} |" not in page] == []


def test_every_code_that_a_check_in_is_refused_with_is_explained() -> None:
    """Read from the source of identities and nonces, so that a new one cannot be forgotten."""
    named = re.compile(r"\"((?:binding|enrolment|identity|nonce)\.[a-z-]+)\"")
    services = ROOT / "policyengine" / "services"
    sources = [services / "nonces.py", *(services / "identification").glob("*.py")]
    codes = {code for source in sources for code in named.findall(source.read_text())}
    assert "enrolment.token" in codes
    assert codes <= refusal_codes.MEANINGS.keys()


def test_a_check_that_no_format_has_is_not_explained() -> None:
    assert explain_check("psa.nonsense") is None


def test_explain_prints_clause_expectation_and_page() -> None:
    output = CliRunner().invoke(app, ["explain", "psa.nonce"]).stdout
    assert output.startswith("psa.nonce  (RFC 9783 section 4.1.1)")
    assert "one nonce of 32, 48 or 64 bytes, equal to the challenge" in output
    assert "docs/evidence.md#checks" in output


@pytest.mark.parametrize(
    ("code", "meaning"),
    [("nonce.spent", "used already"), ("cbor.trailing", "go on after"), ("binding.csr-key", "certificate request")],
)
def test_explain_says_what_the_code_of_a_refusal_means(code: str, meaning: str) -> None:
    assert meaning in CliRunner().invoke(app, ["explain", code]).stdout


def test_explain_knows_what_check_was_meant() -> None:
    done = CliRunner().invoke(app, ["explain", "psa.nonse"])
    assert (done.exit_code, "psa.nonce" in str(done.exception)) == (1, True)


def test_bytes_that_do_not_parse_name_the_page_of_their_code() -> None:
    document = malformed_document(MalformedEvidenceError("cbor.trailing", "1 byte"), "application/eat+cwt")
    assert document["checks"][0]["documentation"] == "docs/evidence.md#codes-of-malformed-evidence"  # type: ignore[index]
