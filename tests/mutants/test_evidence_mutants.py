"""Every check of every evidence format is needed: without it, evidence is believed that must not be."""

from __future__ import annotations

import pytest

from policyengine.attestation.checks import Requirement
from policyengine.services.authoring import check_explanation
from policyengine.services.checkins import counters
from tests.mutants.cases import CASES, NegativeCase
from tests.mutants.removal import removed
from tests.mutants.table import requirements, row


def test_no_check_of_evidence_escapes_the_table() -> None:
    """A counter's checks need what the device sent before, so a store: tests/integration/test_store_counters.py."""
    of_counters = {each.id for each in vars(counters).values() if isinstance(each, Requirement)}
    assert check_explanation.requirements().keys() - of_counters == requirements().keys()


@pytest.mark.parametrize("check", sorted(requirements()))
def test_a_build_without_a_check_believes_what_it_must_not(check: str) -> None:
    """If nothing is believed when a check is gone, either the check does nothing or no test would miss it."""
    found = row(check)
    assert found.cases, f"no evidence is refused by {check} alone: add a case to tests/mutants/cases.py"
    assert found.killing, f"{[case.name for case in found.cases]} stay refused without {check}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_whole_build_refuses_every_case_for_its_check(case: NegativeCase) -> None:
    verdict = case.judge()
    assert not verdict.accepted
    assert {case.check, *case.beside} <= set(verdict.failed)


def test_taking_one_check_out_leaves_the_others() -> None:
    nonce = next(case for case in CASES if case.check == "psa.nonce")
    with removed("psa.lifecycle"):
        assert nonce.judge().failed == ("psa.nonce",)
