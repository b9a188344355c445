"""Every check of evidence can be explained to who was refused by it, and its page exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from policyengine.attestation.documents import malformed_document
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.malformed_codes import MEANINGS
from policyengine.cli.main import app
from policyengine.language.codes import MEANINGS as DIAGNOSTICS
from policyengine.services.authoring.check_explanation import explain_check, explain_code, explained, requirements
from policyengine.services.authoring.other_codes import OTHERS
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
    assert has_anchor(page, anchor)
    assert f"`{check}`" in (ROOT / page).read_text()


def has_anchor(page: str, anchor: str) -> bool:
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    return not anchor or anchor in {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}


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


def codes_of(source: str) -> Iterator[str]:
    """Yield what a module gives as `code`: of a class of errors, and where one is raised or reported."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            named = [
                each for each in node.body if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "code"
            ]
            yield from (each.value.value for each in named if isinstance(each.value, ast.Constant))
        if isinstance(node, ast.Call):
            given = [each.value for each in node.keywords if each.arg == "code"]
            given += node.args[1:2] if ast.unparse(node.func).rpartition(".")[2] in {"missing", "refused"} else []
            found = [each.value for each in given if isinstance(each, ast.Constant)]
            yield from (each for each in found if isinstance(each, str) and re.fullmatch(r"[a-z]+\.[a-z-]+", each))


def test_every_code_that_the_command_the_api_and_findings_give_is_explained() -> None:
    """Read from the source, so that a new one cannot be forgotten: add its subject to authoring/other_codes.py."""
    sources = [source for part in ("api", "pki", "policyengine") for source in (ROOT / part).rglob("*.py")]
    codes = {code for source in sources for code in codes_of(source.read_text())}
    assert {"fault.internal", "export.leaf", "fact.absent", "http.throttled"} <= codes | OTHERS.keys()
    left = sorted(code for code in codes if code not in DIAGNOSTICS and explain_code(code) is None)
    assert left == []


def test_every_reason_of_a_finding_is_explained() -> None:
    """docs/semantics.md lists them: errors of conditions before the table, all others in it."""
    text = (ROOT / "docs/semantics.md").read_text()
    table = text.partition("## Reasons of findings")[2].partition("\n## ")[0]
    reasons = {*re.findall(r"`((?:cel|version)\.[a-z-]+)`", text), *re.findall(r"`([a-z]+\.[a-z-]+)`", table)}
    assert {"fact.absent", "rule.false", "cel.overflow"} <= reasons
    assert sorted(code for code in reasons if code not in DIAGNOSTICS and explain_code(code) is None) == []


@pytest.mark.parametrize("page", sorted({each.page for each in OTHERS.values() if each.page is not None}))
def test_the_page_of_a_subject_exists_and_has_the_anchor(page: str) -> None:
    assert has_anchor(*page.partition("#")[::2])


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
