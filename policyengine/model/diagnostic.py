"""A diagnostic: one thing to fix in a policy repository, as the compiler finds it and every report shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How much a diagnostic matters: only an ERROR keeps a bundle from being built."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One thing to fix. `line` and `column` count from 1 in characters; `code` is listed in language/codes.py.

    `end_column` is that of the character after the last one meant, on the same line; 0 where that is not known.
    `suggestion` may stand in place of what is meant; empty where nobody knows.
    """

    file: str
    line: int
    column: int
    code: str
    severity: Level
    message: str
    help: str = ""
    end_column: int = 0
    suggestion: str = ""

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """The place of this diagnostic in a report: by file, line, column, code, message."""
        return (self.file, self.line, self.column, self.code, self.message)
