"""What can be wrong with a condition: a place in its text, a stable code, a sentence, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policyengine.errors import PolicyEngineError

MAX_QUOTED = 80  # characters of user input shown in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class CelProblem:
    """One problem of one condition; `offset` and `length` count characters of its text (`length` 0: one place)."""

    offset: int
    length: int = 0
    code: str
    message: str
    help: str = ""


def quoted(text: str) -> str:
    """Return user input in backticks for a message: on one line and not too long."""
    line = text.encode("unicode_escape", "surrogatepass").decode("ascii") if not text.isprintable() else text
    return f"`{line[: MAX_QUOTED - 3]}...`" if len(line) > MAX_QUOTED else f"`{line}`"


class ConditionError(PolicyEngineError):
    """A condition does not compile; `problems` are all that were found, by offset."""

    code = "cel.refused"

    def __init__(self, problems: Iterable[CelProblem]) -> None:
        self.problems = tuple(
            sorted(set(problems), key=lambda problem: (problem.offset, problem.code, problem.message))
        )
        super().__init__(self.problems[0].message, problems=self.problems)
