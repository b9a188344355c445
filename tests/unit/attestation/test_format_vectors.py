"""Our vectors of every format but TPM: one defect each, refused by exactly the check that is there for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.vectors import index as vectors
from tests.unit.attestation.requirements import of_formats
from tests.vectors import make_formats as ours

OWN = Path(__file__).parents[2] / "vectors" / "formats"
CASES: list[dict[str, Any]] = json.loads((OWN / "index.json").read_text())


def result(folder: Path, case: dict[str, Any]) -> vectors.CaseResult:
    files = {name: (folder / case["id"] / name).read_bytes() for name in case["files"]}
    key = case.get("key")
    anchors = vectors.anchors_of(key, (folder / key).read_bytes()) if key else TrustAnchors()
    return vectors.run(case, files, anchors)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_own_vector_is_refused_by_exactly_its_check(case: dict[str, Any]) -> None:
    found = result(OWN, case)
    assert (list(found.failed), found.accepted, found.problem) == (case["failed"], case["expect"] == "accept", None)


def test_every_check_has_a_vector_that_only_it_refuses() -> None:
    """Take any check out, and a vector of ours is accepted that must not be."""
    alone = {case["failed"][0] for case in CASES if len(case["failed"]) == 1}
    assert of_formats() - alone == set()


def test_the_vector_files_are_what_the_script_makes() -> None:
    stored = {str(path.relative_to(OWN)): path.read_bytes() for path in OWN.rglob("*") if path.is_file()}
    assert stored == ours.files()


@pytest.mark.parametrize("kind", ["cca", "cmw", "cose", "ear", "eat", "psa"])
def test_third_party_cases_have_their_verdicts_and_claims(vectors: Path, kind: str) -> None:
    folder = vectors / "attestation"
    index = [case for case in json.loads((folder / "index.json").read_text()) if case["format"] == kind]
    problems = {case["id"]: found.problem for case in index if (found := result(folder, case)).problem}
    assert (bool(index), problems) == (True, {})
