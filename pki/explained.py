"""What explanations are made of: a heading, lines of (name, meaning), what is broken, and what to look at twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

Lines = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One object of a file in words.

    `kind` is a stable name (`certificate`, `crl`, ...). `defects` say that the object breaks its standard or cannot
    be read; `warnings` say what a careful reader would ask about.
    """

    kind: str
    heading: str
    lines: Lines = field(default_factory=list)
    defects: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def moment_text(moment: datetime) -> str:
    """Return an aware time as RFC 3339 UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def unreadable(kind: str, why: str) -> Explained:
    """Return the explanation of something that is meant to be `kind` and cannot be read."""
    return Explained(kind=kind, heading=f"{kind} that cannot be read", defects=(why,))
