"""What somebody who looked through an installation found wrong with it, and what to do about each thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error must be put right now; a warning will become one, or makes one worse."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: a stable code, what it is, and what to do."""

    code: str
    severity: Severity
    message: str
    advice: str


def error(code: str, message: str, advice: str) -> Finding:
    """Return an error."""
    return Finding(code=code, severity=Severity.ERROR, message=message, advice=advice)


def warning(code: str, message: str, advice: str) -> Finding:
    """Return a warning."""
    return Finding(code=code, severity=Severity.WARNING, message=message, advice=advice)
