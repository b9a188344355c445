"""Taking turns: check-ins at hand go through the same step one after the other, not each through all steps at once.

The code of one check-in is larger than a processor's nearest caches, so whoever goes through all of it alone finds
none of it there. Measured in docs/adr/0039-check-ins-take-turns.md.
"""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine
from typing import Protocol


@coroutine
def turn() -> Generator[None, None, None]:
    """Return once everything else that is ready has had its turn.

    INVARIANT: whoever waits holds nothing that another needs, and trusts what was read before only as far as the
    change it submits is guarded (services/changes.py).
    """
    yield


class Door(Protocol):
    """Lets callers in, one after the other or together, as an async context."""

    async def __aenter__(self) -> None:
        """Return once the caller may begin."""
        ...

    async def __aexit__(self, *_fault: object) -> None:
        """Leave."""
        ...
