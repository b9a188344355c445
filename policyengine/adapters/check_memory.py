"""What the last check of a repository remembered, in the user's own cache directory.

INVARIANT: nothing here can make a check lie that the user could not do by hand. The directory belongs to the user and
nobody else may write to it, or it is not used; a file of another version of this program, of another repository, or one
that was changed or cut short, is as good as none.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from policyengine.adapters.replacing import write_whole
from policyengine.language.remembered import ForgottenError, Remembered, decode_remembered, encode_remembered

MAX_MEMORY_BYTES = 64 * 1024 * 1024  # a thousand policies take about one; a larger file is not ours
_PACKAGES = ("policyengine.language", "policyengine.model")


def _program() -> str:
    """Return what identifies this program: its version, and for a source tree the state of its files."""
    parts = [version("policyengine"), version("cel-expr-python"), version("jsonschema"), version("PyYAML")]
    for package in _PACKAGES:
        root = Path(str(resources.files(package)))
        for path in sorted(root.rglob("*.py")) + sorted(root.rglob("*.json")):
            status = path.stat()
            parts.append(f"{path.name}:{status.st_size}:{status.st_mtime_ns}")
    return "\n".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckMemory:
    """The memory of the checks of one repository, in one file below `directory`."""

    directory: Path
    repository: Path
    program: str = field(default_factory=_program)

    @property
    def path(self) -> Path:
        """The file."""
        name = hashlib.sha256(os.fsencode(self.repository.resolve())).hexdigest()[:32]
        return self.directory / f"check-{name}"

    def load(self) -> Remembered:
        """Return what the last check remembered; nothing when there was none, or when it cannot be trusted."""
        try:
            if not _is_ours(self.directory) or not _is_ours(self.path) or self.path.stat().st_size > MAX_MEMORY_BYTES:
                return Remembered()
            seal, _, content = self.path.read_bytes().partition(b"\n")
        except OSError:
            return Remembered()
        if seal != self._seal(content):
            return Remembered()
        try:
            return decode_remembered(content)
        except ForgottenError:
            return Remembered()

    def save(self, remembered: Remembered) -> None:
        """Keep `remembered` for the next check; where that cannot be, the next check takes longer and nothing else."""
        content = encode_remembered(remembered)
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_ours(self.directory):
                write_whole(self.path, self._seal(content) + b"\n" + content, mode=0o600)
        except OSError:
            return

    def _seal(self, content: bytes) -> bytes:
        """Return a digest of `content` and of this very program, so that no other version believes it."""
        return hashlib.sha256(self.program.encode() + b"\0" + content).hexdigest().encode()


def _is_ours(path: Path) -> bool:
    """Return whether `path` is no link, belongs to this user, and nobody else may write to it."""
    status = path.lstat()
    is_plain = stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)
    return is_plain and status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
