"""DICE chains of third parties and our own, each refused by exactly the check it is named after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import Requirement
from policyengine.attestation.dice import rules as dice_rules
from policyengine.attestation.vectors.index import run
from tests.support.vector_folder import files, index, result, stored
from tests.vectors import make_dice as ours

OWN = Path(__file__).parents[2] / "vectors" / "dice"
CASES = index(OWN)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_own_vector_is_refused_by_exactly_its_checks(case: dict[str, Any]) -> None:
    found = result(OWN, case)
    assert (sorted(found.failed), found.accepted) == (sorted(case["failed"]), case["expect"] == "accept")


def test_an_unreadable_root_refuses_its_own_case_and_ends_no_run() -> None:
    case = CASES[0]
    assert run(case, files(OWN, case) | {"root.pem": b"no key"}, TrustAnchors()).failed == ("evidence.anchors",)


def test_every_check_has_a_vector_that_only_it_refuses() -> None:
    """Take any check out, and a vector of ours is accepted that must not be."""
    alone = {case["failed"][0] for case in CASES if len(case["failed"]) == 1}
    assert {value.id for value in vars(dice_rules).values() if isinstance(value, Requirement)} <= alone


def test_the_vector_files_are_what_the_script_makes() -> None:
    assert stored(OWN) == ours.files()


def test_third_party_chains_have_their_verdicts_and_claims(vectors: Path) -> None:
    folder = vectors / "attestation"
    cases = [case for case in index(folder) if case["format"] == "dice"]
    problems = {case["id"]: found.problem for case in cases if (found := result(folder, case)).problem}
    assert (len(cases), problems) == (23, {})


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("open-x509--missing-link", "dice.chain"),
        ("open-x509--no-root", "dice.chain"),
        ("open-x509--tampered", "dice.signature"),
        ("oxide-tcbinfo-parse", "dice.chain"),
        ("tcbinfo-A-expired-device", "dice.validity"),
        ("tcbinfo-A-leaf-is-ca-issued-by-alias", "dice.basic-constraints"),
        ("tcbinfo-A-missing-link", "dice.chain"),
        ("tcbinfo-A-pathlen0-violated", "dice.path-length"),
        ("tcbinfo-A-pop-wrong-nonce", "dice.possession"),
        ("tcbinfo-A-self-made-root", "dice.signature"),
        ("tcbinfo-A-tcb-truncated", "dice.extension"),
        ("tcbinfo-A-unknown-critical", "dice.extension"),
        ("open-cbor--bad-sig", "dice.signature"),
        ("open-cbor--reordered", "dice.chain"),
    ],
)
def test_third_party_chains_are_refused_for_their_reason(vectors: Path, name: str, check: str) -> None:
    folder = vectors / "attestation"
    case = next(each for each in index(folder) if each["id"] == f"dice/{name}")
    assert check in result(folder, case).failed
