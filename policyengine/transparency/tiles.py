"""Tiles: a log as files that never change, readable by any client of C2SP tlog-tiles.

A tile holds up to 256 hashes of one tile level; level 0 are leaf hashes, level L+1 the roots of full tiles of level L.
An entry bundle holds the entries behind a tile of level 0. A tile that is not full is named with its width and stays
right for as long as the log grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policyengine.transparency.errors import ProofError
from policyengine.transparency.merkle import TILE_HEIGHT, Nodes, tree_hash

TILE_WIDTH = 1 << TILE_HEIGHT
MAX_LEVEL = 7  # 8 levels of tiles hold 2^64 leaves

# `count` hashes of tile level `level`, from `start`.
Hashes = Callable[[int, int, int], Sequence[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A tile's place, and how many hashes it has."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def start(self) -> int:
        """The index of its first hash among those of its level."""
        return self.index * TILE_WIDTH

    def exists_in(self, size: int) -> bool:
        """Return whether a log of `size` leaves has this tile, full or as wide as it once was."""
        return self.start + self.width <= size >> (TILE_HEIGHT * self.level)


def tile_path(tile: Tile) -> str:
    """Return the path below the log's prefix, such as `tile/0/x001/234` or `tile/1/000.p/3`."""
    return f"tile/{tile.level}/{_number(tile.index)}{_partial(tile)}"


def parse_place(text: str) -> tuple[int, int] | None:
    """Return index and width that the part behind the level spells, as `x001/234.p/7`, in its one spelling; or None."""
    number, found, width_text = text.partition(".p/")
    width = TILE_WIDTH
    if found:
        if not (width_text.isascii() and width_text.isdigit() and len(width_text) <= 3):
            return None
        width = int(width_text)
    groups = number.split("/")
    if len(groups) > 7 or not all(len(group.removeprefix("x")) == 3 for group in groups):
        return None
    digits = "".join(group.removeprefix("x") for group in groups)
    if not (digits.isascii() and digits.isdigit()) or not 0 < width <= TILE_WIDTH:
        return None
    tile = Tile(level=0, index=int(digits), width=width)
    return (tile.index, width) if f"{_number(tile.index)}{_partial(tile)}" == text else None


def nodes_from(hashes: Hashes) -> Nodes:
    """Return how to read the root of any full subtree from the hashes that tiles hold."""

    def node(level: int, index: int) -> bytes:
        tile_level, above = divmod(level, TILE_HEIGHT)
        found = hashes(tile_level, index << above, 1 << above)
        if len(found) != 1 << above:
            raise ProofError("the log lacks hashes that it must have", code="log.incomplete")
        return tree_hash(found)

    return node


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Return `entries` with their lengths before them, 16 bits each, big-endian."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in entries)


def _number(index: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])


def _partial(tile: Tile) -> str:
    return "" if tile.width == TILE_WIDTH else f".p/{tile.width}"
