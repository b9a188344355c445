"""What signs checkpoints of the transparency log, and what remembers them; adapters implement both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from policyengine.transparency.notes import VerifierKey


class LogKey(Protocol):
    """The key that signs checkpoints of the transparency log."""

    @property
    def verifier(self) -> VerifierKey:
        """The log's name and public key."""
        ...

    def sign(self, text: bytes) -> bytes:
        """Return the Ed25519 signature of `text`."""
        ...


class LogMemory(Protocol):
    """What was signed last; it must outlive a database that is restored from a backup."""

    def advance(self, following: Callable[[bytes | None], bytes]) -> bytes:
        """Return what `following` makes of the last checkpoint, once it is durable; one caller at a time.

        What `following` raises leaves everything as it was.
        """
        ...
