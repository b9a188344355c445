"""Tile paths and entry bundles (C2SP tlog-tiles)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.transparency.tiles import Tile, entry_bundle, parse_place, tile_path
from tests.support.log_entries import bundled_entries


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(level=0, index=0), "tile/0/000"),
        (Tile(level=0, index=1234067), "tile/0/x001/x234/067"),
        (Tile(level=1, index=5, width=3), "tile/1/005.p/3"),
        (Tile(level=2, index=1000), "tile/2/x001/000"),
    ],
)
def test_paths_are_those_of_the_specification(tile: Tile, path: str) -> None:
    assert tile_path(tile) == path


@given(st.integers(0, 2**48), st.integers(1, 256))
def test_a_path_reads_back(index: int, width: int) -> None:
    place = tile_path(Tile(level=0, index=index, width=width)).removeprefix("tile/0/")
    assert parse_place(place) == (index, width)


@pytest.mark.parametrize(
    "place",
    [
        "",
        "0",
        "0000",
        "000.p/0",
        "000.p/257",
        "000.p/256",
        "000.p/01",
        "x000/000",
        "001/000",
        "x001/x000",
        "../000",
        "\u0660\u0660\u0660",
        "000.p/\u00b2",
    ],
)
def test_another_spelling_is_no_tile(place: str) -> None:
    assert parse_place(place) is None


@given(st.text(max_size=20))
def test_no_text_makes_parsing_fail(place: str) -> None:
    found = parse_place(place)
    assert found is None or tile_path(Tile(level=0, index=found[0], width=found[1])) == f"tile/0/{place}"


@pytest.mark.parametrize(
    ("tile", "size", "exists"),
    [
        (Tile(level=0, index=0), 256, True),
        (Tile(level=0, index=0), 255, False),
        (Tile(level=0, index=0, width=255), 255, True),
        (Tile(level=0, index=0, width=3), 300, True),
        (Tile(level=1, index=0, width=1), 255, False),
        (Tile(level=1, index=0, width=1), 256, True),
        (Tile(level=1, index=0, width=2), 511, False),
    ],
)
def test_a_level_has_only_the_roots_of_full_tiles_below(tile: Tile, size: int, exists: bool) -> None:
    assert tile.exists_in(size) is exists


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundled_entries_read_back(entries: list[bytes]) -> None:
    assert bundled_entries(entry_bundle(entries)) == tuple(entries)
