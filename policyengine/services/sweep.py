"""The sweep: devices that say nothing are decided again when their decision has ended."""

from __future__ import annotations


class Sweep:
    """Re-decides with the last facts what time alone, a new bundle or a peer's key has overtaken."""

    def run(self, *, limit: int = 256) -> int:
        """Return how many devices were decided again, at most `limit`; call until 0."""
        raise NotImplementedError
