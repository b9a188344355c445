"""PSA tokens against vectors: ours, one defect each, and those of third parties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policyengine.attestation import cose
from policyengine.attestation.checks import Requirement
from policyengine.attestation.psa import claims as psa_claims
from tests.support.vector_folder import index, result, stored
from tests.vectors import make_attestation as ours

OWN = Path(__file__).parents[2] / "vectors" / "attestation"
CASES = index(OWN)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_own_vector_is_refused_by_exactly_its_check(case: dict[str, Any]) -> None:
    found = result(OWN, case)
    assert (list(found.failed), found.accepted) == (case["failed"], case["expect"] == "accept")


def requirements(module: object) -> set[str]:
    return {value.id for value in vars(module).values() if isinstance(value, Requirement)}


def test_every_check_has_a_vector_that_only_it_refuses() -> None:
    """Take any check out, and a vector of ours is accepted that must not be."""
    alone = {case["failed"][0] for case in CASES if len(case["failed"]) == 1}
    assert requirements(cose) | requirements(psa_claims) <= alone


def test_the_vector_files_are_what_the_script_makes() -> None:
    assert stored(OWN) == ours.files()


def third_party(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [case for case in index(folder / "attestation") if case["format"] == kind]


def test_third_party_psa_cases_have_their_verdicts_and_claims(vectors: Path) -> None:
    """All of format `psa`, of all three profiles."""
    cases = third_party(vectors, "psa")
    problems = [found.problem for case in cases if (found := result(vectors / "attestation", case)).problem]
    assert (len(cases), problems) == (88, [])


@pytest.mark.parametrize(
    ("name", "failed"),
    [
        ("r9783-alg-none", ("cose.alg",)),
        ("r9783-alg-text", ("cose.alg",)),
        ("r9783-alg-hs256-confusion", ("cose.alg",)),
        ("r9783-attacker-key", ("cose.signature",)),
        ("r9783-crit-unknown", ("cose.crit",)),
        ("r9783-tag-98", ("cose.tag",)),
        ("r9783-profile-cca", ("psa.profile",)),
        ("r9783-indefinite-map", ("cbor.indefinite",)),
        ("r9783-nonce-8-bytes", ("psa.nonce",)),
        ("r9783-missing-client-id", ("psa.client-id",)),
        ("r9783-implementation-id-short", ("psa.implementation-id",)),
        ("r9783-lifecycle-gap", ("psa.lifecycle",)),
        ("r9783-bootseed-33", ("psa.boot-seed",)),
        ("r9783-sw-no-measurement", ("psa.software",)),
    ],
)
def test_third_party_cases_are_refused_for_their_reason(vectors: Path, name: str, failed: tuple[str, ...]) -> None:
    case = next(case for case in third_party(vectors, "psa") if case["id"] == f"psa/{name}")
    assert result(vectors / "attestation", case).failed == failed
