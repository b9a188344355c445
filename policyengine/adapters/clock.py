"""The system clock; the only reader of the time of day."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time as aware UTC."""
        return datetime.now(UTC)
