"""The log, looked through from first leaf to head: does every row say what its hash says, and is none missing?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policyengine.services.errors import UnavailableError
from policyengine.services.history.log import entry_of
from policyengine.services.ports import Store
from policyengine.transparency.leaf import Leaf, leaf_hash
from policyengine.transparency.merkle import TILE_HEIGHT, Frontier, Subtree, grown

LEAVES_AT_ONCE = 1000  # some hundred kilobytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Something stored that is not what it was: where it stands, and what it should be."""

    place: str
    message: str


def examine_log(reads: Store) -> Iterator[Damage]:
    """Yield what is wrong with the log as of the last commit (RFC 6962 section 2.1); nothing when it is whole."""
    try:
        head = reads.log_head()
    except UnavailableError as cause:
        yield Damage(place="log head", message=cause.message)
        return
    log = Frontier(size=0, roots=())
    while log.size < head.size:
        leaves = reads.log_leaves(log.size, min(LEAVES_AT_ONCE, head.size - log.size))
        yield from _changed(leaves)
        missing = _first_missing(leaves, log.size)
        if missing is not None:
            yield Damage(place=f"leaf {missing}", message=f"the leaf is missing; the log has {head.size}")
            return
        log, completed = grown(log, [leaf.leaf_hash for leaf in leaves])
        yield from _wrong_subtrees(reads, completed)
    yield from _wrong_end(reads, head, log)


def _changed(leaves: tuple[Leaf, ...]) -> Iterator[Damage]:
    for leaf in leaves:
        if leaf_hash(entry_of(leaf)) != leaf.leaf_hash:
            message = f"the leaf's record, of kind `{leaf.kind}`, is not what its hash says"
            yield Damage(place=f"leaf {leaf.index}", message=message)


def _first_missing(leaves: tuple[Leaf, ...], start: int) -> int | None:
    """Return the first place from `start` without a leaf, None when `leaves` stand one after the other from there."""
    gap = next((place for place, leaf in enumerate(leaves, start) if leaf.index != place), None)
    return gap if leaves else start


def _wrong_subtrees(reads: Store, completed: tuple[Subtree, ...]) -> Iterator[Damage]:
    for subtree in completed:
        level = subtree.level // TILE_HEIGHT
        if list(reads.log_hashes(level, subtree.index, 1)) != [subtree.root]:
            yield Damage(place=f"subtree {level}/{subtree.index}", message="its root is not that of its leaves")


def _wrong_end(reads: Store, head: Frontier, log: Frontier) -> Iterator[Damage]:
    if log != head:
        yield Damage(place="log head", message="the head is not that of the leaves")
    if reads.log_leaves(head.size, 1) and reads.log_head().size == head.size:
        yield Damage(place=f"leaf {head.size}", message="a leaf stands beyond the log's head")
