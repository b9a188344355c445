"""One proof for many leaves, against the definition of the tree (RFC 6962 section 2.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.transparency.errors import ProofError
from policyengine.transparency.multiproof import multiproof, root_of
from policyengine.transparency.tiles import nodes_from
from tests.unit.transparency import oracle

MOST = 520  # leaves: two full tiles and a bit
LEAVES = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(MOST)]
ROOTS_OF_TILES = [oracle.mth(LEAVES[at : at + 256]) for at in (0, 256)]


def hashes(level: int, start: int, count: int) -> Sequence[bytes]:
    return (LEAVES, ROOTS_OF_TILES)[level][start : start + count]


NODES = nodes_from(hashes)


@st.composite
def chosen(draw: st.DrawFn) -> tuple[int, list[int]]:
    size = draw(st.integers(1, MOST))
    return size, sorted(draw(st.sets(st.integers(0, size - 1), max_size=40)))


def opened(indexes: Sequence[int]) -> list[tuple[int, bytes]]:
    return [(index, LEAVES[index]) for index in indexes]


@given(chosen())
def test_leaves_and_proof_make_the_root_of_the_tree(case: tuple[int, list[int]]) -> None:
    size, indexes = case
    proof = list(multiproof(indexes, size, NODES))
    assert root_of(opened(indexes), proof, size=size) == oracle.mth(LEAVES[:size])


@given(chosen(), st.data())
def test_a_leaf_that_is_another_gives_another_root(case: tuple[int, list[int]], data: st.DataObject) -> None:
    size, indexes = case
    proof = list(multiproof(indexes, size, NODES))
    at = data.draw(st.integers(0, max(len(indexes) - 1, 0)))
    leaves = opened(indexes)
    if not leaves:
        return
    leaves[at] = (leaves[at][0], b"\x00" * 32)
    assert root_of(leaves, proof, size=size) != oracle.mth(LEAVES[:size])


def test_all_leaves_need_no_hash_beside_them() -> None:
    assert list(multiproof(range(MOST), MOST, NODES)) == []


def test_neighbours_share_the_hashes_of_their_proof() -> None:
    assert len(list(multiproof(range(64, 128), 512, NODES))) == 3


@pytest.mark.parametrize(
    ("leaves", "missing"),
    [
        pytest.param([3, 9], 1, id="a hash of the proof is missing"),
        pytest.param([3, 9], -1, id="a hash of the proof is too many"),
        pytest.param([9, 3], 0, id="leaves out of order"),
        pytest.param([3, 3, 9], 0, id="a leaf twice"),
        pytest.param([3, 9, 900], 0, id="a leaf beyond the tree"),
    ],
)
def test_a_proof_that_does_not_fit_its_leaves_is_refused(leaves: list[int], missing: int) -> None:
    proof = list(multiproof([3, 9], 100, NODES))
    shown = proof[missing:] if missing > 0 else proof + [b"\x00" * 32] * -missing
    with pytest.raises(ProofError, match="do not make a tree"):
        root_of([(index, LEAVES[index % MOST]) for index in leaves], shown, size=100)


def test_a_leaf_that_the_tree_does_not_have_has_no_proof() -> None:
    with pytest.raises(ProofError, match="no leaf 100"):
        list(multiproof([100], 100, NODES))
