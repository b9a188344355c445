from __future__ import annotations

import os
from pathlib import Path

import pytest

from policyengine.adapters.tree import NotADirectoryToReadError, TreeRefusedError, read_tree, scan_tree
from policyengine.language.reader import MAX_FILE_BYTES


def codes(root: Path) -> list[tuple[str, str]]:
    return [(one.code, one.file) for one in scan_tree(root).refused]


def write(root: Path, path: str, content: bytes = b"a: b\n") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_documents_and_what_stands_beside_them_are_read(tmp_path: Path) -> None:
    for path in ("fleet.yaml", "it/a.yaml", "it/old.yml", "trust-anchors/a.pem", "reference-values/v/a.corim"):
        write(tmp_path, path)
    assert sorted(read_tree(tmp_path)) == sorted(
        ["fleet.yaml", "it/a.yaml", "it/old.yml", "trust-anchors/a.pem", "reference-values/v/a.corim"]
    )


def test_other_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    for path in ("README.md", ".github/workflows/ci.yaml", ".hidden.yaml", "it/key.pem"):
        write(tmp_path, path)
    assert read_tree(tmp_path) == {}


def test_a_link_to_a_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "fleet.yaml")
    (tmp_path / "parties.yaml").symlink_to(tmp_path / "fleet.yaml")
    assert codes(tmp_path) == [("tree.symlink", "parties.yaml")]


def test_a_link_to_a_directory_is_refused_and_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "fleet.yaml")
    (tmp_path / "it").symlink_to(tmp_path)
    assert codes(tmp_path) == [("tree.symlink", "it")]


def test_a_pipe_is_refused_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fleet.yaml")
    assert codes(tmp_path) == [("tree.special-file", "fleet.yaml")]


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    write(tmp_path, "fleet.yaml", b" " * (MAX_FILE_BYTES + 1))
    assert codes(tmp_path) == [("tree.file-too-large", "fleet.yaml")]


def test_a_name_that_is_not_text_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.yaml")).write_bytes(b"")
    write(tmp_path, "b\n.yaml")
    assert codes(tmp_path) == [("tree.name", "a\\udcff.yaml"), ("tree.name", "b\n.yaml")]


def test_directories_too_deep_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "/".join(["d"] * 20) + "/a.yaml")
    assert [code for code, _ in codes(tmp_path)] == ["tree.too-deep"]


def test_a_refused_tree_gives_no_files(tmp_path: Path) -> None:
    write(tmp_path, "fleet.yaml")
    (tmp_path / "parties.yaml").symlink_to(tmp_path / "fleet.yaml")
    with pytest.raises(TreeRefusedError) as refused:
        read_tree(tmp_path)
    assert [one.file for one in refused.value.diagnostics] == ["parties.yaml"]


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryToReadError):
        read_tree(tmp_path / "nowhere")
