"""Our vectors of every format but TPM: one defect each, refused by exactly the check that is there for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.vector_folder import index, result, stored
from tests.unit.attestation.requirements import of_formats
from tests.vectors import make_formats as ours

OWN = Path(__file__).parents[2] / "vectors" / "formats"
CASES = index(OWN)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_own_vector_is_refused_by_exactly_its_check(case: dict[str, Any]) -> None:
    found = result(OWN, case)
    assert (list(found.failed), found.accepted, found.problem) == (case["failed"], case["expect"] == "accept", None)


def test_every_check_has_a_vector_that_only_it_refuses() -> None:
    """Take any check out, and a vector of ours is accepted that must not be."""
    alone = {case["failed"][0] for case in CASES if len(case["failed"]) == 1}
    assert of_formats() - alone == set()


def test_the_vector_files_are_what_the_script_makes() -> None:
    assert stored(OWN) == ours.files()


@pytest.mark.parametrize("kind", ["cca", "cmw", "cose", "ear", "eat", "psa"])
def test_third_party_cases_have_their_verdicts_and_claims(vectors: Path, kind: str) -> None:
    folder = vectors / "attestation"
    cases = [case for case in index(folder) if case["format"] == kind]
    problems = {case["id"]: found.problem for case in cases if (found := result(folder, case)).problem}
    assert (bool(cases), problems) == (True, {})
