"""The starter pack that ships with the program, and how a new policy repository is written from it."""

from __future__ import annotations

import importlib.resources
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from enum import Enum
from importlib.resources.abc import Traversable
from pathlib import Path

from policyengine.errors import PolicyEngineError

GIT_SECONDS = 60  # `git` on a few dozen files is done in well under a second; a hung hook or prompt must not hang us


class NotEmptyError(PolicyEngineError):
    """The directory for a new policy repository has something in it already."""

    code = "init.not-empty"


class GitFailedError(PolicyEngineError):
    """`git` did not do as told; the files are written all the same."""

    code = "init.git"


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

    A user without a Git identity gets one for this commit only. Raises GitFailedError.
    """
    git = shutil.which("git")
    if git is None:
        return Committed.NO_GIT
    if _git(git, directory, "rev-parse", "--is-inside-work-tree").returncode == 0:
        return Committed.INSIDE_REPOSITORY
    identity = _identity(git, directory)
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        (*identity, "commit", "--quiet", "--no-verify", "--no-gpg-sign", f"--message={message}"),
    ):
        done = _git(git, directory, *arguments)
        if done.returncode != 0:
            raise GitFailedError(f"git could not commit: {done.stderr.strip()}", path=str(directory))
    return Committed.YES


def _identity(git: str, directory: Path) -> tuple[str, ...]:
    if _git(git, directory, "config", "user.email").returncode == 0:
        return ()
    return ("-c", "user.name=policyengine", "-c", "user.email=policyengine@localhost")


def _git(git: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a fixed program with arguments of ours, no shell
        [git, "-C", str(directory), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=GIT_SECONDS,
        stdin=subprocess.DEVNULL,
    )
