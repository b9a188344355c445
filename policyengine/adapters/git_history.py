"""Writing Git history: one commit at a time, with an author, and without the user's hooks, signing or identity."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from policyengine.errors import PolicyEngineError

GIT_SECONDS = 60  # `git` on a few dozen files is done in well under a second; a hung prompt must not hang us


class GitFailedError(PolicyEngineError):
    """`git` is missing or did not do as told."""

    code = "git.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who a commit is by."""

    name: str
    email: str


def start(directory: Path) -> None:
    """Make `directory` an empty Git repository on branch `main`; raises GitFailedError."""
    _git(directory, "init", "--quiet", "--initial-branch=main")


def commit(directory: Path, paths: Sequence[str], *, message: str, author: Author) -> str:
    """Commit `paths` by `author` and return the new commit's id; raises GitFailedError."""
    _git(directory, "add", "--", *paths)
    identity = ("-c", f"user.name={author.name}", "-c", f"user.email={author.email}")
    _git(directory, *identity, "commit", "--quiet", "--no-verify", "--no-gpg-sign", f"--message={message}")
    return _git(directory, "rev-parse", "HEAD").strip()


def is_installed() -> bool:
    """Return whether there is a `git` to call."""
    return shutil.which("git") is not None


def is_inside_repository(directory: Path) -> bool:
    """Return whether `directory` is part of a work tree already."""
    return _run(directory, "rev-parse", "--is-inside-work-tree").returncode == 0


def configured_author(directory: Path) -> Author | None:
    """Return who the user's Git configuration says they are, if it says so."""
    name, email = (_run(directory, "config", key).stdout.strip() for key in ("user.name", "user.email"))
    return Author(name=name, email=email) if name and email else None


def _git(directory: Path, *arguments: str) -> str:
    done = _run(directory, *arguments)
    if done.returncode != 0:
        raise GitFailedError(f"git {arguments[0]} failed: {done.stderr.strip()}", path=str(directory))
    return done.stdout


def _run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    git = shutil.which("git")
    if git is None:
        raise GitFailedError("there is no git on this machine")
    return subprocess.run(  # noqa: S603 - a fixed program with arguments of ours, no shell
        [git, "-C", str(directory), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=GIT_SECONDS,
        stdin=subprocess.DEVNULL,
    )
