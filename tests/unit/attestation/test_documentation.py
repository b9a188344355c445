"""The tables of checks in the documentation are the ones the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policyengine.attestation.checks import stated_in
from tests.unit.attestation.requirements import PAGES

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", PAGES)
def test_every_check_is_documented_with_its_clause(page: str) -> None:
    rows = set(
        re.findall(
            r"^\| `([a-z0-9.-]+)` \| ([A-Za-z-]+[^|]*?section [^|]+?) \|", (DOCS / page).read_text(), re.MULTILINE
        )
    )
    assert rows == {(each.id, each.clause) for module in PAGES[page] for each in stated_in(vars(module))}
