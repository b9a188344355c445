"""docs/evidence-tpm.md against the code: every check with its clause, every code of malformed evidence."""

from __future__ import annotations

import re
from pathlib import Path

from policyengine.attestation.checks import Requirement
from policyengine.attestation.tpm import appraisal as tpm
from policyengine.attestation.tpm import certify as tpm_certify
from policyengine.attestation.tpm import ek, iak
from policyengine.attestation.tpm import quote as tpm_quote
from policyengine.attestation.tpm import statement as tpm_statement
from policyengine.attestation.tpm.statement import Rules

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "evidence-tpm.md").read_text()


def requirements() -> dict[str, str]:
    modules = (ek, iak, tpm, tpm_certify, tpm_quote, tpm_statement)
    values = [value for module in modules for value in vars(module).values()]
    rules = [getattr(value, name) for value in values if isinstance(value, Rules) for name in Rules.__slots__]
    return {value.id: value.clause for value in (*values, *rules) if isinstance(value, Requirement)}


def test_every_check_is_documented_with_its_clause() -> None:
    rows = re.findall(
        r"^\| ((?:`(?:tpm|binding)\.[a-z-]+`(?:, )?)+) \| ([^|]+?) \|", PAGE.split("## Codes")[0], re.MULTILINE
    )
    documented = {name: clause for names, clause in rows for name in re.findall(r"`([a-z.-]+)`", names)}
    known = requirements()
    assert documented.keys() == known.keys()
    assert {
        name: clause for name, clause in documented.items() if clause != "as for the quote"
    }.items() <= known.items()


def test_every_code_of_malformed_evidence_is_documented() -> None:
    sources = [path.read_text() for path in (ROOT / "policyengine" / "attestation" / "tpm").glob("*.py")]
    raised = {
        code
        for source in sources
        for code in re.findall(
            r'(?:(?:refused|MalformedEvidenceError)\(\s*|code=)"((?:tpm|eventlog)\.[a-z-]+)"', source
        )
    }
    documented = set(re.findall(r"`((?:tpm|eventlog)\.[a-z-]+)`", PAGE.split("## Codes")[1].split("## Facts")[0]))
    assert documented == raised
