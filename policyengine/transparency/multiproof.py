"""One proof for many leaves: every hash of a tree that is not computed from the leaves themselves, left to right.

A proof for each leaf alone would repeat the hashes that neighbours share. This one goes down the tree once: a range
without a chosen leaf is one hash of the proof, a single chosen leaf is taken as it is, any other range is the hash of
its two halves (RFC 6962 section 2.1). The verifier makes the same walk, so the proof needs no structure of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from policyengine.transparency.errors import ProofError
from policyengine.transparency.merkle import Nodes, node_hash, range_root, split_of, tree_hash


def multiproof(indexes: Sequence[int], size: int, nodes: Nodes) -> Iterator[bytes]:
    """Yield the proof that the leaves at `indexes` (ascending, distinct) are in the tree of `size` leaves.

    Raises ProofError `log.index` for an index that the tree does not have.
    """
    if indexes and not 0 <= indexes[0] <= indexes[-1] < size:
        raise ProofError(f"there is no leaf {indexes[-1]} in a tree of {size}", code="log.index")
    yield from _needed(indexes, 0, size, nodes)


def root_of(leaves: Iterable[tuple[int, bytes]], proof: Iterable[bytes], *, size: int) -> bytes:
    """Return the root of the tree of `size` leaves that `leaves` (index and leaf hash, ascending) and `proof` make.

    Raises ProofError `log.inclusion` when either is too long, too short or out of order. Whether the root is the one
    that was signed is the caller's to compare.
    """
    walk = _Walk(leaves, proof)
    found = walk.root(0, size) if size else tree_hash(())
    walk.demand_end()
    return found


def _needed(indexes: Sequence[int], start: int, size: int, nodes: Nodes) -> Iterator[bytes]:
    at = bisect_left(indexes, start)
    if at == len(indexes) or indexes[at] >= start + size:
        if size:
            yield range_root(start, size, nodes)
    elif size > 1:
        half = split_of(size)
        yield from _needed(indexes, start, half, nodes)
        yield from _needed(indexes, start + half, size - half, nodes)


class _Walk:
    """The verifier's way through the tree; holds one leaf ahead and nothing else."""

    def __init__(self, leaves: Iterable[tuple[int, bytes]], proof: Iterable[bytes]) -> None:
        self._leaves = iter(leaves)
        self._proof = iter(proof)
        self._next = next(self._leaves, None)

    def root(self, start: int, size: int) -> bytes:
        """Return the hash of a range. INVARIANT: the recursion is as deep as the tree, at most 63."""
        if self._next is None or self._next[0] >= start + size:
            return self._step()
        if size == 1:
            return self._leaf(start)
        half = split_of(size)
        left = self.root(start, half)
        return node_hash(left, self.root(start + half, size - half))

    def demand_end(self) -> None:
        """Raise ProofError unless all leaves and all hashes were used."""
        if self._next is not None or next(self._proof, None) is not None:
            raise _not_included()

    def _step(self) -> bytes:
        found = next(self._proof, None)
        if found is None:
            raise _not_included()
        return found

    def _leaf(self, index: int) -> bytes:
        found = self._next
        if found is None or found[0] != index:  # behind where the walk is: out of order, or twice
            raise _not_included()
        self._next = next(self._leaves, None)
        return found[1]


def _not_included() -> ProofError:
    return ProofError("leaves and proof do not make a tree of that size", code="log.inclusion")
