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


def _git(directory: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        raise GitFailedError("there is no git on this machine")
    done = subprocess.run(  # noqa: S603 - a fixed program with arguments of ours, no shell
        [git, "-C", str(directory), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=GIT_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise GitFailedError(f"git {arguments[0]} failed: {done.stderr.strip()}", path=str(directory))
    return done.stdout
