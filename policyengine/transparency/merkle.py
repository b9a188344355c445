"""The Merkle tree over leaf hashes: growing it, proving with it, and checking proofs (RFC 6962 section 2.1, RFC 9162).

A node is named by its level (leaves are level 0) and its index from the left. Only roots of full subtrees are ever
stored or read; a proof asks for them through `Nodes` and is made of nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from policyengine.transparency.errors import ProofError

HASH_SIZE = 32
TILE_HEIGHT = 8  # levels a tile spans; only roots at its multiples are kept (C2SP tlog-tiles)
MAX_PROOF = 63  # hashes; a tree of 2^63 leaves has no longer inclusion proof (C2SP tlog-proof)

_NODE = b"\x01"  # RFC 6962 section 2.1: a node can never be taken for a leaf
_EMPTY = hashlib.sha256(b"").digest()

# The root of the full subtree at a level and index.
Nodes = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """A tree's size and the roots of the full subtrees it falls into, largest first: all that growing it needs."""

    size: int = 0
    roots: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """The tree hash (RFC 6962 section 2.1)."""
        return _folded(self.roots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtree:
    """A full subtree that growing has completed."""

    level: int
    index: int
    root: bytes


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right) (RFC 6962 section 2.1)."""
    return hashlib.sha256(_NODE + left + right).digest()


def tree_hash(leaves: Iterable[bytes]) -> bytes:
    """Return the tree hash of `leaves`, given as leaf hashes (RFC 6962 section 2.1)."""
    return grown(Frontier(), leaves)[0].root


def grown(before: Frontier, leaves: Iterable[bytes]) -> tuple[Frontier, tuple[Subtree, ...]]:
    """Return the frontier after `leaves` (hashes), and the completed subtrees whose roots stand in tiles.

    Those are at the levels 8, 16, ...; leaves are kept anyway.
    """
    size, roots, completed = before.size, list(before.roots), list[Subtree]()
    for leaf in leaves:
        level, index, root = 0, size, leaf
        while index & 1:
            level, index, root = level + 1, index >> 1, node_hash(roots.pop(), root)
            if level % TILE_HEIGHT == 0:
                completed.append(Subtree(level=level, index=index, root=root))
        roots.append(root)
        size += 1
    return Frontier(size=size, roots=tuple(roots)), tuple(completed)


def frontier_of(size: int, nodes: Nodes) -> Frontier:
    """Return the frontier of the tree of the first `size` leaves."""
    return Frontier(size=size, roots=tuple(nodes(level, index) for level, index in _full_subtrees(0, size)))


def inclusion_proof(index: int, size: int, nodes: Nodes) -> tuple[bytes, ...]:
    """Return the audit path of leaf `index` in the tree of `size` leaves, lowest first (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}", code="log.index")
    return tuple(_path(index, 0, size, nodes))


def consistency_proof(old: int, new: int, nodes: Nodes) -> tuple[bytes, ...]:
    """Return the proof that the tree of `old` leaves is a prefix of that of `new` (RFC 6962 section 2.1.2)."""
    if not 0 < old <= new:
        raise ProofError(f"a tree of {old} leaves is no prefix of one of {new}", code="log.index")
    if old == new:
        return ()
    return tuple(_subproof(old, 0, new, nodes, known=True))


def verify_inclusion(proof: Sequence[bytes], *, index: int, size: int, leaf: bytes, root: bytes) -> None:
    """Return if `proof` leads from the hash `leaf` at `index` to `root` (RFC 9162 section 2.1.3.2).

    Raises ProofError `log.inclusion`.
    """
    if not 0 <= index < size or len(proof) > MAX_PROOF:
        raise _not_included(index, size)
    place, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise _not_included(index, size)
        if place & 1 or place == last:
            found = node_hash(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    if last or found != root:
        raise _not_included(index, size)


def verify_consistency(proof: Sequence[bytes], *, old: int, new: int, old_root: bytes, new_root: bytes) -> None:
    """Return if `proof` shows that the tree of `old` leaves is a prefix of that of `new` (RFC 9162 section 2.1.4.2).

    Raises ProofError `log.consistency`. The empty tree is a prefix of every tree.
    """
    if old == 0 and old_root == _EMPTY and not proof:
        return
    if old == new and old_root == new_root and not proof:
        return
    if not 0 < old < new or not 0 < len(proof) <= MAX_PROOF:
        raise _not_consistent(old, new)
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise _not_consistent(old, new)
        if place & 1 or place == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, step)
        place, last = place >> 1, last >> 1
    if last or first != old_root or second != new_root:
        raise _not_consistent(old, new)


def _path(index: int, start: int, size: int, nodes: Nodes) -> list[bytes]:
    if size == 1:
        return []
    split = split_of(size)
    if index < split:
        return [*_path(index, start, split, nodes), range_root(start + split, size - split, nodes)]
    return [*_path(index - split, start + split, size - split, nodes), range_root(start, split, nodes)]


def _subproof(old: int, start: int, size: int, nodes: Nodes, *, known: bool) -> list[bytes]:
    if old == size:
        return [] if known else [range_root(start, size, nodes)]
    split = split_of(size)
    if old <= split:
        left = _subproof(old, start, split, nodes, known=known)
        return [*left, range_root(start + split, size - split, nodes)]
    right = _subproof(old - split, start + split, size - split, nodes, known=False)
    return [*right, range_root(start, split, nodes)]


def range_root(start: int, size: int, nodes: Nodes) -> bytes:
    """Return the tree hash of `size` leaves from `start`, where such a range of the tree begins."""
    return _folded([nodes(level, index) for level, index in _full_subtrees(start, size)])


def _full_subtrees(start: int, size: int) -> list[tuple[int, int]]:
    """Return level and index of the full subtrees that `size` leaves from `start` fall into, largest first."""
    found = []
    while size:
        level = size.bit_length() - 1
        found.append((level, start >> level))
        start, size = start + (1 << level), size - (1 << level)
    return found


def _folded(roots: Sequence[bytes]) -> bytes:
    if not roots:
        return _EMPTY
    found = roots[-1]
    for root in reversed(roots[:-1]):
        found = node_hash(root, found)
    return found


def split_of(size: int) -> int:
    """Return the largest power of two smaller than `size` (RFC 6962 section 2.1)."""
    return 1 << (size - 1).bit_length() - 1


def _not_included(index: int, size: int) -> ProofError:
    return ProofError(f"the proof does not lead from leaf {index} to the root of {size} leaves", code="log.inclusion")


def _not_consistent(old: int, new: int) -> ProofError:
    return ProofError(f"the tree of {new} leaves does not contain that of {old} as it was", code="log.consistency")
