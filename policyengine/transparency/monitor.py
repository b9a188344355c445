"""What an outsider does who trusts a log's key and nothing else: prove that one checkpoint extends another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from policyengine.transparency.checkpoint import Checkpoint
from policyengine.transparency.errors import ProofError
from policyengine.transparency.merkle import HASH_SIZE, TILE_HEIGHT, consistency_proof, verify_consistency
from policyengine.transparency.tiles import TILE_WIDTH, Hashes, Tile, nodes_from, tile_path

# The bytes at a path below the log's prefix.
Fetch = Callable[[str], bytes]


def prove_extension(old: Checkpoint, new: Checkpoint, fetch: Fetch) -> None:
    """Return if the log as of `new` contains the log as of `old`; some dozen tiles are fetched, whatever the size.

    Raises ProofError `log.consistency` when it does not, `log.tile` for a tile that is not one.
    """
    if old.origin != new.origin:
        raise ProofError("the two checkpoints are of different logs", code="log.origin")
    if old.size > new.size:
        raise ProofError(f"the log has shrunk from {old.size} leaves to {new.size}", code="log.consistency")
    nodes = nodes_from(hashes_from(fetch, new.size))
    proof = consistency_proof(old.size, new.size, nodes) if old.size else ()
    verify_consistency(proof, old=old.size, new=new.size, old_root=old.root, new_root=new.root)


def hashes_from(fetch: Fetch, size: int) -> Hashes:
    """Return how to read the hashes of a log of `size` leaves from its tiles; each tile is fetched once."""
    known: dict[str, bytes] = {}

    def tile_of(level: int, index: int) -> bytes:
        width = min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH)
        path = tile_path(Tile(level=level, index=index, width=width))
        if path not in known:
            known[path] = fetch(path)
            if len(known[path]) != width * HASH_SIZE:
                raise ProofError(f"`{path}` is not a tile of {width} hashes", code="log.tile")
        return known[path]

    def hashes(level: int, start: int, count: int) -> Sequence[bytes]:
        # INVARIANT: only full subtrees within one tile are asked for (merkle.py), so one tile answers.
        content, at = tile_of(level, start // TILE_WIDTH), start % TILE_WIDTH * HASH_SIZE
        return [content[at + HASH_SIZE * nth : at + HASH_SIZE * (nth + 1)] for nth in range(count)]

    return hashes
