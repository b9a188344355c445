"""Checkpoints: what a log says of itself, and signs (C2SP tlog-checkpoint)."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.transparency.base64text import decoded, encoded
from policyengine.transparency.errors import NoteError
from policyengine.transparency.merkle import HASH_SIZE
from policyengine.transparency.notes import Sign, VerifierKey, opened, signed

MAX_SIZE = 2**63 - 1  # leaves; what a signed 64-bit integer of a database holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A log's origin, its size in leaves and its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encoded(self.root)}\n"


def sign_checkpoint(checkpoint: Checkpoint, *, key: VerifierKey, sign: Sign) -> bytes:
    """Return the signed note of `checkpoint`. Whether it extends every earlier one is the caller's to know."""
    return signed(checkpoint.text, key=key, sign=sign).encode()


def open_checkpoint(note: bytes, *, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint in `note` once the signature of `key` has verified, whose name is the origin.

    Raises NoteError; `log.checkpoint` for a signed text that is no checkpoint. Extension lines are ignored.
    """
    lines = opened(note, key=key).split("\n")
    if len(lines) < 4 or lines[0] != key.name:
        raise NoteError("the note is no checkpoint of this log", code="log.checkpoint")
    size, root = lines[1], decoded(lines[2])
    if not _is_decimal(size) or root is None or len(root) != HASH_SIZE:
        raise NoteError("the note is no checkpoint of this log", code="log.checkpoint")
    return Checkpoint(origin=lines[0], size=int(size), root=root)


def _is_decimal(text: str) -> bool:
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_SIZE))
    return plain and str(int(text)) == text and int(text) <= MAX_SIZE
