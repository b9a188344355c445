"""CoRIMs of third parties and our own, each refused by exactly the check it is named after."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from cbor2 import CBORTag

from policyengine.attestation.anchor_files import load_anchors
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import Requirement
from policyengine.attestation.corim import appraisal as corim
from policyengine.attestation.corim import graph as corim_graph
from policyengine.attestation.corim.document import read_corim
from policyengine.attestation.corim.states import reference_states
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.simulation import corim as simulated
from tests.support.vector_folder import index, result, stored
from tests.vectors import make_corim as ours

OWN = Path(__file__).parents[2] / "vectors" / "corim"
CASES = index(OWN)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_own_vector_is_refused_by_exactly_its_checks(case: dict[str, Any]) -> None:
    found = result(OWN, case)
    assert (sorted(found.failed), found.accepted) == (sorted(case["failed"]), case["expect"] == "accept")


def test_every_check_has_a_vector_that_only_it_refuses() -> None:
    """Take any check out, and a vector of ours is accepted that must not be."""
    alone = {case["failed"][0] for case in CASES if len(case["failed"]) == 1}
    assert {value.id for value in vars(corim).values() if isinstance(value, Requirement)} <= alone


def test_the_vector_files_are_what_the_script_makes() -> None:
    assert stored(OWN) == ours.files()


def test_third_party_corims_have_their_verdicts_and_claims(vectors: Path) -> None:
    folder = vectors / "attestation"
    cases = [case for case in index(folder) if case["format"] == "corim"]
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


def test_many_states_with_many_endorsements_are_read_in_time() -> None:
    """Each state once compared itself with each endorsement: 40 KiB by one vendor kept a check busy for ten seconds."""
    places = [simulated.environment(vendor="ACME", model=f"m{number}") for number in range(500)]
    reference = [[place, [ours.APP]] for place in places]
    endorsed = [[place, [{1: {1: CBORTag(552, 7)}}]] for place in places]
    corim_of_all = read_corim(simulated.corim([simulated.comid({0: reference, 1: endorsed})]))
    began = time.process_time()
    assert {state.svn for state in reference_states(corim_of_all)} == {7}
    assert time.process_time() - began < 2


def test_a_long_chain_of_domains_is_no_cycle_and_is_read_in_time() -> None:
    graph = {f"{number}".encode(): frozenset({f"{number + 1}".encode()}) for number in range(4000)}
    began = time.process_time()
    assert not corim_graph.has_cycle(graph)
    assert corim_graph.has_cycle(graph | {b"4000": frozenset({b"7"})})
    assert time.process_time() - began < 1
