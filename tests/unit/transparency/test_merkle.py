"""The tree that grows, and its proofs, against the definition (RFC 6962 section 2.1, RFC 9162 section 2.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.transparency.errors import ProofError
from policyengine.transparency.merkle import (
    Frontier,
    consistency_proof,
    frontier_of,
    grown,
    inclusion_proof,
    tree_hash,
    verify_consistency,
    verify_inclusion,
)
from policyengine.transparency.tiles import nodes_from
from tests.unit.transparency import oracle

MOST = 600  # leaves: two full tiles and a bit
LEAVES = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(MOST)]
ROOTS_OF_TILES = [oracle.mth(LEAVES[at : at + 256]) for at in (0, 256)]


def hashes(level: int, start: int, count: int) -> Sequence[bytes]:
    return (LEAVES, ROOTS_OF_TILES)[level][start : start + count]


NODES = nodes_from(hashes)
sizes = st.integers(1, MOST)


@given(sizes)
def test_the_root_is_that_of_the_definition(size: int) -> None:
    assert tree_hash(LEAVES[:size]) == oracle.mth(LEAVES[:size])


@given(st.lists(st.integers(0, 300), max_size=4).filter(lambda parts: sum(parts) <= MOST))
def test_growing_in_parts_gives_what_growing_at_once_gives(parts: list[int]) -> None:
    tree, completed, at = Frontier(), [], 0
    for part in parts:
        tree, subtrees = grown(tree, LEAVES[at : at + part])
        completed.extend(subtrees)
        at += part
    assert (tree, tuple(completed)) == grown(Frontier(), LEAVES[:at])


def test_the_subtrees_that_growing_completes_are_the_tiles_below() -> None:
    """C2SP tlog-tiles: a hash of level 1 is the root of a full tile of level 0."""
    completed = grown(Frontier(), LEAVES)[1]
    assert [(each.level, each.index, each.root) for each in completed] == [
        (8, 0, ROOTS_OF_TILES[0]),
        (8, 1, ROOTS_OF_TILES[1]),
    ]


@given(sizes)
def test_a_frontier_read_back_is_the_one_that_grew(size: int) -> None:
    assert frontier_of(size, NODES) == grown(Frontier(), LEAVES[:size])[0]


@given(st.data())
def test_inclusion_proofs_are_those_of_the_definition_and_verify(data: st.DataObject) -> None:
    size = data.draw(sizes)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, NODES)
    assert list(proof) == oracle.path(index, LEAVES[:size])
    verify_inclusion(proof, index=index, size=size, leaf=LEAVES[index], root=oracle.mth(LEAVES[:size]))


@given(st.data())
def test_consistency_proofs_are_those_of_the_definition_and_verify(data: st.DataObject) -> None:
    new = data.draw(sizes)
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(old, new, NODES)
    assert list(proof) == oracle.proof(old, LEAVES[:new])
    verify_consistency(proof, old=old, new=new, old_root=oracle.mth(LEAVES[:old]), new_root=oracle.mth(LEAVES[:new]))


@given(st.data())
def test_no_inclusion_proof_survives_a_change(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, MOST))
    index = data.draw(st.integers(0, size - 1))
    proof, root = list(inclusion_proof(index, size, NODES)), oracle.mth(LEAVES[:size])
    changed = data.draw(_changes(proof))
    with pytest.raises(ProofError) as refused:
        verify_inclusion(changed, index=index, size=size, leaf=LEAVES[index], root=root)
    assert refused.value.code == "log.inclusion"


@given(st.data())
def test_no_consistency_proof_survives_a_change(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, MOST))
    old = data.draw(st.integers(1, new - 1))
    proof = list(consistency_proof(old, new, NODES))
    changed = data.draw(_changes(proof))
    with pytest.raises(ProofError) as refused:
        verify_consistency(
            changed, old=old, new=new, old_root=oracle.mth(LEAVES[:old]), new_root=oracle.mth(LEAVES[:new])
        )
    assert refused.value.code == "log.consistency"


@given(st.data())
def test_an_inclusion_proof_holds_at_its_own_index_only(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, MOST))
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(-1, size + 1).filter(lambda at: at != index))
    proof, root = inclusion_proof(index, size, NODES), oracle.mth(LEAVES[:size])
    with pytest.raises(ProofError):
        verify_inclusion(proof, index=other, size=size, leaf=LEAVES[index], root=root)


def test_a_rewritten_history_is_not_consistent() -> None:
    """The point of the log: what was signed once cannot be replaced."""
    forged = [hashlib.sha256(b"forged").digest(), *LEAVES[1:10]]
    proof = oracle.proof(5, forged)
    with pytest.raises(ProofError):
        verify_consistency(proof, old=5, new=10, old_root=oracle.mth(LEAVES[:5]), new_root=oracle.mth(forged))


def test_two_roots_of_one_size_are_not_consistent() -> None:
    with pytest.raises(ProofError):
        verify_consistency((), old=5, new=5, old_root=LEAVES[0], new_root=LEAVES[1])


def test_every_tree_extends_the_empty_one() -> None:
    """RFC 9162 section 2.1.4.1: there is nothing to prove."""
    verify_consistency((), old=0, new=7, old_root=tree_hash(()), new_root=oracle.mth(LEAVES[:7]))


@pytest.mark.parametrize("index", [-1, 5, 6])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(ProofError) as refused:
        inclusion_proof(index, 5, NODES)
    assert refused.value.code == "log.index"


def test_a_log_with_missing_hashes_proves_nothing() -> None:
    with pytest.raises(ProofError) as refused:
        inclusion_proof(0, 512, nodes_from(lambda level, start, count: hashes(level, start, count)[:-1]))
    assert refused.value.code == "log.incomplete"


def _changes(proof: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    places = st.integers(0, len(proof) - 1)
    flipped = st.tuples(places, st.integers(0, 255)).map(
        lambda where: [_flip(step, where[1]) if at == where[0] else step for at, step in enumerate(proof)]
    )
    shortened = places.map(lambda at: proof[:at] + proof[at + 1 :])
    lengthened = places.map(lambda at: [*proof[:at], LEAVES[-1], *proof[at:]])
    return st.one_of(flipped, shortened, lengthened).filter(lambda changed: changed != proof)


def _flip(step: bytes, bit: int) -> bytes:
    return (int.from_bytes(step, "big") ^ 1 << bit).to_bytes(len(step), "big")
