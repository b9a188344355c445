"""A Git commit -> the files of the policy repository in it, read by Git's plumbing; nothing is written or checked out.

Only objects are read: no work tree, no index, no filter, no hook. Links and submodules are refused.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from policyengine.adapters.tree import Tree, TreeRefusedError, is_plain_name
from policyengine.errors import PolicyEngineError, quoted
from policyengine.language.layout import is_wanted

GIT_SECONDS = 60  # a tree of a thousand files is read in well under a second; a hung helper must not hang us

_LINK, _SUBMODULE = b"120000", b"160000"


class GitReadError(PolicyEngineError):
    """Git is not there, the directory is not in a repository, or the revision does not exist."""

    code = "git.unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTree:
    """The files of the policy repository in one commit; `commit` is its full object id."""

    commit: str
    files: Mapping[str, bytes]


def read_commit(directory: Path, revision: str = "HEAD") -> CommitTree:
    """Return the files that `revision` has at `directory`, which may be a directory inside a repository.

    Raises GitReadError, and TreeRefusedError when the commit holds links, submodules or files too large.
    """
    if not directory.is_dir():
        message = f"{quoted(revision)} is looked up as a revision of {quoted(str(directory))}, which is no directory"
        raise GitReadError(f"{message}; name the policy repository", directory=str(directory))
    commit = _run(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    name = commit.decode().strip()
    prefix = _run(directory, "rev-parse", "--show-prefix").decode().rstrip("\n").rstrip("/")
    tree = Tree()
    wanted = dict(_wanted(tree, _run(directory, "ls-tree", "-r", "-z", "-l", "--full-tree", f"{name}:{prefix}")))
    if tree.refused:
        raise TreeRefusedError(tree.refused)
    return CommitTree(commit=name, files=_contents(directory, wanted))


def height_of(directory: Path, commit: str) -> int | None:
    """Return how many commits the history of `commit` has, itself included; None in a shallow clone, which hides some.

    A commit has a greater height than all that it follows from. Raises GitReadError.
    """
    if _run(directory, "rev-parse", "--is-shallow-repository").strip() != b"false":
        return None
    return int(_run(directory, "rev-list", "--count", "--end-of-options", commit))


def commit_of(directory: Path, files: Mapping[str, bytes]) -> str | None:
    """Return the commit that `directory` is checked out from, or None unless it holds exactly `files`."""
    try:
        found = read_commit(directory)
    except (GitReadError, TreeRefusedError):
        return None
    return found.commit if found.files == files else None


def _wanted(tree: Tree, listing: bytes) -> Iterator[tuple[str, str]]:
    """Yield path and object id of every file that the compiler reads; what is refused goes to `tree`."""
    for entry in listing.split(b"\0")[:-1]:
        details, _, raw = entry.partition(b"\t")
        mode, _, object_id, size = details.split()
        path = raw.decode("utf-8", "backslashreplace")
        if any(part.startswith(".") and part not in (".", "..") for part in path.split("/")):
            continue
        if mode in (_LINK, _SUBMODULE):
            kind = "symbolic links are not followed" if mode == _LINK else "submodules are not followed"
            code = "tree.symlink" if mode == _LINK else "tree.submodule"
            tree.refuse(path, code, kind, "put the file itself here")
        elif is_wanted(path) and not is_plain_name(path):
            tree.refuse(path, "tree.name", "the file name is not plain text", "rename it")
        elif is_wanted(path) and tree.has_room_for(path, int(size)):
            tree.size += int(size)
            yield path, object_id.decode()


def _contents(directory: Path, wanted: Mapping[str, str]) -> dict[str, bytes]:
    """Return the content of each object: `cat-file --batch` answers `id type size`, the bytes, and a line feed."""
    request = "".join(f"{object_id}\n" for object_id in wanted.values()).encode()
    answer = _run(directory, "cat-file", "--batch", given=request)
    files: dict[str, bytes] = {}
    position = 0
    for path, object_id in wanted.items():
        end = answer.index(b"\n", position)
        found, _, size = answer[position:end].partition(b" blob ")
        if found.decode() != object_id:
            raise GitReadError(f"git does not have the object of `{path}`", path=path)
        position = end + 1 + int(size) + 1
        files[path] = answer[end + 1 : position - 1]
    return files


def _run(directory: Path, *arguments: str, given: bytes = b"") -> bytes:
    git = shutil.which("git")
    if git is None:
        raise GitReadError("there is no git on this machine")
    command = [git, "--no-optional-locks", "--no-replace-objects", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=GIT_SECONDS, check=False)  # noqa: S603 - fixed arguments, no shell
    except subprocess.TimeoutExpired as cause:
        raise GitReadError(f"git did not answer within {GIT_SECONDS} seconds") from cause
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitReadError(reason[0] if reason else _nothing(arguments[-1]), directory=str(directory))
    return done.stdout


def _nothing(argument: str) -> str:
    """Return the sentence for what git was asked for and has not."""
    revision = argument.removesuffix("^{commit}")
    return f"git has no commit `{revision}`" if revision != argument else f"git has nothing for `{argument}`"
