"""docs/evidence-dice.md against the code: every check with its clause, every code, the media type and the labels."""

from __future__ import annotations

import re
from pathlib import Path

from policyengine.attestation.checks import Requirement
from policyengine.attestation.dice import appraisal as dice
from policyengine.attestation.dice import rules as dice_rules

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "evidence-dice.md").read_text()


def test_every_check_is_documented_with_its_clause() -> None:
    documented = dict(re.findall(r"^\| `(dice\.[a-z-]+)` \| ([^|]+?) \|", PAGE, re.MULTILINE))
    known = {value.id: value.clause for value in vars(dice_rules).values() if isinstance(value, Requirement)}
    assert documented == known


def test_every_code_of_malformed_evidence_is_documented() -> None:
    sources = [path.read_text() for path in (ROOT / "policyengine" / "attestation" / "dice").glob("*.py")]
    raised = {
        code for source in sources for code in re.findall(r'MalformedEvidenceError\(\s*"(dice\.[a-z-]+)"', source)
    }
    documented = set(re.findall(r"`(dice\.[a-z-]+)`", PAGE.split("## Codes")[1].split("## Facts")[0]))
    assert documented == raised


def test_the_media_type_and_the_private_label_are_documented() -> None:
    assert f"`{dice.MEDIA_TYPE}`" in PAGE
    assert f"`{dice.DICE_CHAIN}`" in PAGE
