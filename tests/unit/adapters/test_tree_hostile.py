"""Trees that would make a careless reader hang, fail or read what is not there are refused, each at its path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policyengine.adapters.tree import scan_tree


def codes(root: Path) -> list[tuple[str, str]]:
    return [(one.file, one.code) for one in scan_tree(root).refused]


def test_names_that_differ_in_capitals_only_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("")
    (tmp_path / "A.yaml").write_text("")
    assert codes(tmp_path) == [("a.yaml", "tree.case-collision")]


def test_a_pipe_called_like_a_document_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert codes(tmp_path) == [("a.yaml", "tree.special-file")]


def test_a_link_to_a_device_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("/dev/zero")
    assert codes(tmp_path) == [("a.yaml", "tree.symlink")]


def test_a_directory_called_like_a_document_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").mkdir()
    (tmp_path / "x.yaml" / "b.yaml").write_text("")
    assert list(scan_tree(tmp_path).files) == ["x.yaml/b.yaml"]


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "up").symlink_to(tmp_path.parent)
    assert codes(tmp_path) == [("up", "tree.symlink")]


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(10 * 1024**3)  # a sparse file: reading it would take minutes and all memory
    assert codes(tmp_path) == [("a.yaml", "tree.file-too-large")]


def test_a_walk_ends_after_a_bounded_number_of_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policyengine.adapters.tree.MAX_ENTRIES", 5)
    for number in range(10):
        (tmp_path / f"{number}.txt").write_text("")
    assert [code for _, code in codes(tmp_path)] == ["tree.too-large"]
