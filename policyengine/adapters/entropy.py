"""The operating system's random source; the only place that draws from it."""

from __future__ import annotations

import secrets


class SystemEntropy:
    """The operating system's cryptographic random source."""

    def draw(self, size: int) -> bytes:
        """Return `size` unpredictable bytes."""
        return secrets.token_bytes(size)
