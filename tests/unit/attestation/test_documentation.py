"""The table of checks in docs/evidence.md is the one the code has."""

from __future__ import annotations

import re
from pathlib import Path

from policyengine.attestation import cose, pop, psa_claims
from policyengine.attestation.checks import Requirement

PAGE = Path(__file__).parents[3] / "docs" / "evidence.md"


def test_every_check_is_documented_with_its_clause() -> None:
    rows = set(re.findall(r"^\| `([a-z.-]+)` \| (RFC [^|]+?) \|", PAGE.read_text(), re.MULTILINE))
    modules = (cose, psa_claims, pop)
    known = {
        (value.id, value.clause)
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Requirement)
    }
    assert rows == known
