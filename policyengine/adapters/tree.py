"""A policy repository on disk -> its files; what is not a plain file inside it is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from policyengine.errors import PolicyEngineError
from policyengine.language.diagnostics import in_order
from policyengine.language.layout import is_wanted
from policyengine.language.reader import MAX_FILE_BYTES
from policyengine.model.diagnostic import Diagnostic, Level

MAX_FILES = 20_000  # a thousand policies with their tests and bindings make three thousand
MAX_TREE_BYTES = 64 * 1024 * 1024  # ten thousand rules make 5 MiB
MAX_ENTRIES = 100_000  # names looked at, wanted or not: the wrong directory must not be walked for minutes
MAX_TREE_DEPTH = 16  # the layout has three levels; deeper is a mistake or an attack


class NotADirectoryToReadError(PolicyEngineError):
    """The path given is not a directory."""

    code = "tree.not-a-directory"


class TreeRefusedError(PolicyEngineError):
    """The tree holds something that is not read: a link, a special file, a file too large. `diagnostics` say where."""

    code = "tree.refused"

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = in_order(diagnostics)
        first = self.diagnostics[0]
        super().__init__(f"`{first.file}` is refused: {first.message}", files=[one.file for one in self.diagnostics])


@dataclass(slots=True)
class Tree:
    """The files of a tree by path from its root, with `/` between names, and what was refused."""

    files: dict[str, bytes] = field(default_factory=dict)
    refused: list[Diagnostic] = field(default_factory=list)
    size: int = 0

    def refuse(self, path: str, code: str, message: str, advice: str = "") -> None:
        """Note that the file at `path` is not read."""
        self.refused.append(
            Diagnostic(file=path, line=1, column=1, code=code, severity=Level.ERROR, message=message, help=advice)
        )

    def has_room_for(self, path: str, size: int) -> bool:
        """Return whether a file of `size` bytes may be read; refuses it when not."""
        if size > MAX_FILE_BYTES:
            message = f"the file has {size} bytes, the limit is {MAX_FILE_BYTES}"
            self.refuse(path, "tree.file-too-large", message, "split it into several files")
            return False
        if len(self.files) >= MAX_FILES or self.size + size > MAX_TREE_BYTES:
            self.refuse(path, "tree.too-large", f"more than {MAX_FILES} files or {MAX_TREE_BYTES} bytes to read")
            return False
        return True

    def keep(self, path: str, content: bytes) -> None:
        """Keep the file at `path`."""
        self.files[path] = content
        self.size += len(content)


def read_tree(root: Path) -> Mapping[str, bytes]:
    """Return the files of the policy repository at `root`; raises TreeRefusedError when any of it is refused."""
    tree = scan_tree(root)
    if tree.refused:
        raise TreeRefusedError(tree.refused)
    return tree.files


def scan_tree(root: Path) -> Tree:
    """Return the files of the policy repository at `root`, and what in it is refused. Hidden files are not ours."""
    if not root.is_dir():
        raise NotADirectoryToReadError(f"`{root}` is not a directory", path=str(root))
    tree = Tree()
    for seen, (path, name) in enumerate(_entries(root, "", tree)):
        _take(tree, path, name)
        if seen >= MAX_ENTRIES:
            tree.refuse(".", "tree.too-large", f"more than {MAX_ENTRIES} files", "name the policy repository itself")
            break
    _refuse_collisions(tree)
    return tree


def _refuse_collisions(tree: Tree) -> None:
    """Refuse files whose names differ in capitals only: on some file systems one would replace the other."""
    first: dict[str, str] = {}
    for name in sorted(tree.files):
        other = first.setdefault(name.casefold(), name)
        if other != name:
            message = f"the name differs from `{other}` in capitals only"
            tree.refuse(name, "tree.case-collision", message, "rename one of the two")


def scan_file(path: Path) -> Tree:
    """Return the one file at `path` by its name, or why it is refused; raises OSError when it is not there."""
    path.lstat()
    tree = Tree()
    _take(tree, path, path.name)
    if not tree.files and not tree.refused:
        tree.refuse(path.name, "layout.extension", "this is not a YAML file of ours", "name a file ending in `.yaml`")
    return tree


def _entries(directory: Path, prefix: str, tree: Tree) -> Iterator[tuple[Path, str]]:
    """Yield everything below `directory` that is not itself a directory, with its path from the root."""
    if prefix.count("/") > MAX_TREE_DEPTH:
        tree.refuse(prefix.rstrip("/"), "tree.too-deep", f"directories nest deeper than {MAX_TREE_DEPTH} levels")
        return
    for path in _children(directory, prefix, tree):
        if path.name.startswith("."):
            continue
        name = prefix + path.name
        if path.is_dir() and not path.is_symlink():
            yield from _entries(path, name + "/", tree)
        else:
            yield path, name


def _children(directory: Path, prefix: str, tree: Tree) -> list[Path]:
    """Return at most MAX_ENTRIES + 1 entries of `directory`, sorted; refuses it when it cannot be read."""
    try:
        return sorted(islice(directory.iterdir(), MAX_ENTRIES + 1))
    except PermissionError:
        tree.refuse(
            prefix.rstrip("/") or ".", "tree.unreadable", "the directory cannot be read", "give yourself permission"
        )
        return []


def _take(tree: Tree, path: Path, name: str) -> None:
    if path.is_symlink():
        tree.refuse(name, "tree.symlink", "symbolic links are not followed", "put the file itself here")
        return
    if not is_wanted(name):
        return
    if not is_plain_name(name):
        shown = name.encode("utf-8", "backslashreplace").decode()
        tree.refuse(shown, "tree.name", "the file name is not plain text", "rename it")
        return
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        tree.refuse(name, "tree.special-file", "this is not a regular file", "put a regular file here")
    elif tree.has_room_for(name, status.st_size):
        _keep(tree, path, name)


def _keep(tree: Tree, path: Path, name: str) -> None:
    try:
        content = _read(path)
    except OSError as problem:
        reason = (problem.strerror or "the system refuses").lower()
        tree.refuse(name, "tree.unreadable", f"the file cannot be read: {reason}", "give yourself permission")
        return
    if tree.has_room_for(name, len(content)):  # it may have grown since it was measured
        tree.keep(name, content)


def _read(path: Path) -> bytes:
    """Return the content of a regular file, at most one byte more than is allowed; never waits for a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def is_plain_name(name: str) -> bool:
    """Return whether `name` can be shown, and names a file below the root: printable, no `..`, no backslash."""
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))
