"""docs/endorsements.md against the code: every check with its clause, every profile."""

from __future__ import annotations

import re
from pathlib import Path

from policyengine.attestation.checks import Requirement
from policyengine.attestation.corim import appraisal as corim
from policyengine.attestation.corim.profiles import PROFILES

PAGE = (Path(__file__).parents[3] / "docs" / "endorsements.md").read_text()


def test_every_check_is_documented_with_its_clause() -> None:
    documented = dict(re.findall(r"^\| `(corim\.[a-z-]+)` \| ([^|]+?) \|", PAGE, re.MULTILINE))
    known = {value.id: value.clause for value in vars(corim).values() if isinstance(value, Requirement)}
    assert documented == known


def test_every_profile_is_documented() -> None:
    listed = PAGE.partition("Profiles understood:")[2].partition("Another profile")[0]
    assert set(re.findall(r"`([^`]+)`", listed)) == set(PROFILES)
