"""The transparency log as its readers see it: signed checkpoints, tiles, entries, and receipts for what they may see.

A checkpoint is signed only once the log is proven to contain the last one that was signed, and is durable before it
leaves: whatever happens to the database, no two of ours contradict each other.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from policyengine.model.ids import Digest
from policyengine.services.actors import Principal
from policyengine.services.errors import MissingError, UnavailableError
from policyengine.services.log_ports import LogKey, LogMemory
from policyengine.services.ports import Clock, Store
from policyengine.services.scope import missing, sees
from policyengine.transparency.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from policyengine.transparency.disclosure import Disclosure
from policyengine.transparency.errors import ProofError
from policyengine.transparency.leaf import Leaf, entry
from policyengine.transparency.merkle import Frontier, Nodes, frontier_of, inclusion_proof
from policyengine.transparency.receipt import Receipt
from policyengine.transparency.tiles import Tile, entry_bundle, nodes_from

CHECKPOINT_EVERY = timedelta(seconds=1)  # a checkpoint costs a durable write; readers see the log at most that late


class ForkError(UnavailableError):
    """The log does not contain what was signed before: a restored backup, or somebody changed it. Nothing is signed."""

    code = "log.fork"


def entry_of(leaf: Leaf) -> bytes:
    """Return the public bytes of a stored leaf."""
    return entry(at_us=leaf.at_us, kind=leaf.kind, record=leaf.record, salt=leaf.salt)


def demand_extension(before: Checkpoint, head: Frontier, nodes: Nodes) -> None:
    """Raise ForkError unless the log at `head` contains the one that was signed, UnavailableError if it has holes."""
    if before.size > head.size:
        raise ForkError(
            f"the log has {head.size} leaves and was signed with {before.size}: was a backup restored?",
            signed=before.size,
            size=head.size,
        )
    try:
        root = frontier_of(before.size, nodes).root
    except ProofError as cause:
        raise UnavailableError(cause.message, code=cause.code) from cause
    if root != before.root:
        raise ForkError(
            f"the first {before.size} leaves are not those that were signed", signed=before.size, size=head.size
        )


class TransparencyLog:
    """Reads of the log; the only thing it ever writes is the memory of its last checkpoint."""

    def __init__(self, store: Store, clock: Clock, key: LogKey, memory: LogMemory) -> None:
        self._store = store
        self._clock = clock
        self._key = key
        self._memory = memory
        self._nodes = nodes_from(store.log_hashes)
        self._published: tuple[datetime, bytes] | None = None

    @property
    def vkey(self) -> str:
        """How a client is told the log's key."""
        return str(self._key.verifier)

    def checkpoint(self) -> bytes:
        """Return a signed checkpoint, at most CHECKPOINT_EVERY old.

        Raises ForkError when the log is no extension of what was signed before, UnavailableError.
        """
        now = self._clock.now()
        if self._published is None or not timedelta() <= now - self._published[0] < CHECKPOINT_EVERY:
            self._published = (now, self._signed())
        return self._published[1]

    def sealed(self) -> bytes:
        """Return a signed checkpoint over everything that is committed now. Raises ForkError, UnavailableError."""
        self._published = (self._clock.now(), self._signed())
        return self._published[1]

    def tile(self, tile: Tile) -> bytes:
        """Return the hashes of a tile; raises MissingError for one that the log does not have (yet)."""
        self._demand(tile)
        return b"".join(self._store.log_hashes(tile.level, tile.start, tile.width))

    def entries(self, tile: Tile) -> bytes:
        """Return the entry bundle behind a tile of level 0; raises MissingError."""
        self._demand(tile)
        return entry_bundle([entry_of(leaf) for leaf in self._store.log_leaves(tile.start, tile.width)])

    def decision_proof(self, viewer: Principal, decision_id: Digest) -> Disclosure:
        """Return the leaf of a decision that changed something, with its receipt. Raises MissingError, ForkError."""
        record = self._store.decision(decision_id)
        if record is None or not sees(self._store, viewer, record.device_id):
            raise missing(
                "no decision of that id has a leaf; one that changed nothing shares one with its batch", "proof.missing"
            )
        index = self._store.leaf_of_decision(decision_id)
        if index is None:
            raise missing("the decision has no leaf", "proof.missing")
        return self.disclosed(index)

    def disclosed(self, index: int) -> Disclosure:
        """Return leaf `index`, laid open, with its receipt. Raises MissingError, ForkError."""
        leaves = self._store.log_leaves(index, 1)
        if not leaves:
            raise MissingError("the log has no such leaf", code="log.index")
        note = self._checkpoint_over(index)
        size = open_checkpoint(note, key=self._key.verifier).size
        path = inclusion_proof(index, size, self._nodes)
        leaf, receipt = leaves[0], Receipt(index=index, path=path, checkpoint=note)
        return Disclosure(
            index=index,
            at_us=leaf.at_us,
            kind=leaf.kind,
            record=leaf.record,
            salt=leaf.salt,
            receipt=receipt.text,
        )

    def _checkpoint_over(self, index: int) -> bytes:
        note = self.checkpoint()
        if open_checkpoint(note, key=self._key.verifier).size > index:
            return note
        return self.sealed()

    def _signed(self) -> bytes:
        return self._memory.advance(self._next)

    def _next(self, last: bytes | None) -> bytes:
        """Return the checkpoint to publish after `last`: that of the log's head, proven to extend it."""
        head = self._store.log_head()
        if last is not None:
            before = open_checkpoint(last, key=self._key.verifier)
            demand_extension(before, head, self._nodes)
            if before.size == head.size:
                return last
        checkpoint = Checkpoint(origin=self._key.verifier.name, size=head.size, root=head.root)
        return sign_checkpoint(checkpoint, key=self._key.verifier, sign=self._key.sign)

    def _demand(self, tile: Tile) -> None:
        if not tile.exists_in(self._store.log_head().size):
            raise MissingError("the log has no such tile", code="log.tile")
