"""The root of every error that policyengine raises on purpose."""

from __future__ import annotations

MAX_QUOTED = 80  # characters of foreign text in a sentence


class PolicyEngineError(Exception):
    """Something the caller can act on: a stable `code`, a sentence, and structured `fields`.

    Subclasses set `code`; HTTP statuses and exit codes are mapped in one place each (api/problems.py, cli/exits.py).
    The sentence is lowercase, has no full stop, and puts user input in backticks.
    """

    code = "fault.internal"

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class CodedError(PolicyEngineError):
    """An error of one subject with several codes: the class names the usual one, and who raises it may name another."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


def quoted(text: str) -> str:
    """Return foreign `text` in backticks for a sentence: on one line, in ASCII, and short."""
    return f"`{ascii(text[:MAX_QUOTED])[1:-1]}`"
