"""CoRIMs of third parties and our own, each refused by exactly the check it is named after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policyengine.attestation.anchor_files import load_anchors
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import Requirement
from policyengine.attestation.corim import signed as corim
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.vectors.index import CaseResult, run
from tests.vectors import make_corim as ours

OWN = Path(__file__).parents[2] / "vectors" / "corim"
CASES: list[dict[str, Any]] = json.loads((OWN / "index.json").read_text())


def result(folder: Path, case: dict[str, Any]) -> CaseResult:
    files = {name: (folder / case["id"] / name).read_bytes() for name in case["files"]}
    anchors = load_anchors([(folder / case["key"]).read_bytes()]) if case.get("key") else TrustAnchors()
    return run(case, files, anchors)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_own_vector_is_refused_by_exactly_its_checks(case: dict[str, Any]) -> None:
    found = result(OWN, case)
    assert (sorted(found.failed), found.accepted) == (sorted(case["failed"]), case["expect"] == "accept")


def test_every_check_has_a_vector_that_only_it_refuses() -> None:
    """Take any check out, and a vector of ours is accepted that must not be."""
    alone = {case["failed"][0] for case in CASES if len(case["failed"]) == 1}
    assert {value.id for value in vars(corim).values() if isinstance(value, Requirement)} <= alone


def test_the_vector_files_are_what_the_script_makes() -> None:
    stored = {str(path.relative_to(OWN)): path.read_bytes() for path in OWN.rglob("*") if path.is_file()}
    assert stored == ours.files()


def test_third_party_corims_have_their_verdicts_and_claims(vectors: Path) -> None:
    folder = vectors / "attestation"
    cases = [case for case in json.loads((folder / "index.json").read_text()) if case["format"] == "corim"]
    problems = {case["id"]: found.problem for case in cases if (found := result(folder, case)).problem}
    assert (len(cases), problems) == (51, {})


def test_an_unsigned_corim_is_never_accepted_as_a_signed_one() -> None:
    """draft-ietf-rats-corim section 4.3: unsigned only over a channel whose other end is authenticated."""
    with pytest.raises(MalformedEvidenceError):
        corim.judge_signed(ours.GOOD, signers=TrustAnchors(keys=(ours.KEY.public_key(),)), now=ours.NOW)


def test_example_profiles_mean_nothing_outside_vectors(vectors: Path) -> None:
    folder = vectors / "attestation"
    content = (folder / "corim" / "signed-example-corim" / "corim.cbor").read_bytes()
    anchors = load_anchors([(folder / "keys" / "veraison-ec-p256.pem").read_bytes()])
    found = corim.judge_signed(content, signers=anchors, now=ours.PAST.replace(year=2025))
    assert found.failed == ("corim.profile",)
