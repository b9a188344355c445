"""The starter pack that ships with the program, and how a new policy repository is written from it."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from enum import Enum
from importlib.resources.abc import Traversable
from pathlib import Path

from policyengine.adapters.git_history import (
    Author,
    commit,
    configured_author,
    is_inside_repository,
    is_installed,
    start,
)
from policyengine.errors import PolicyEngineError

PROGRAM = Author(name="policyengine", email="policyengine@localhost")


class NotEmptyError(PolicyEngineError):
    """The directory for a new policy repository has something in it already."""

    code = "init.not-empty"


class Committed(Enum):
    """What became of the first commit."""

    YES = "committed"
    NO_GIT = "not committed: there is no git on this machine"
    INSIDE_REPOSITORY = "not committed: the directory is part of a Git repository already"


def starter_files() -> Mapping[str, bytes]:
    """Return the starter pack, path to content: from the installed package, or from `policies/` of a source tree."""
    package = importlib.resources.files("policyengine")
    packed = package / "starter"
    root = packed if packed.is_dir() else Path(str(package)).parent / "policies"
    return dict(sorted(_below(root, "")))


def _below(directory: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in directory.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{prefix}{entry.name}/")
        elif not entry.name.startswith("."):
            yield f"{prefix}{entry.name}", entry.read_bytes()


def write_tree(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` below `directory`, made if need be; raises NotEmptyError if it is there and not empty."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise NotEmptyError(f"`{directory}` is not an empty directory", path=str(directory))
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def first_commit(directory: Path, message: str) -> Committed:
    """Make `directory` a Git repository with one commit, unless there is no git or it is inside one.

    The author is who the user's Git configuration names, else the program. Raises GitFailedError.
    """
    if not is_installed():
        return Committed.NO_GIT
    if is_inside_repository(directory):
        return Committed.INSIDE_REPOSITORY
    start(directory)
    commit(directory, ["."], message=message, author=configured_author(directory) or PROGRAM)
    return Committed.YES
