"""What can be wrong with a log, a note or a proof."""

from __future__ import annotations

from policyengine.errors import PolicyEngineError


class LogError(PolicyEngineError):
    """Something of a transparency log that is not as it must be."""

    code = "log.invalid"

    def __init__(self, message: str, *, code: str | None = None, **fields: object) -> None:
        super().__init__(message, **fields)
        self.code = code or type(self).code


class ProofError(LogError):
    """A proof that proves nothing; the log, or whoever sent it, is not to be believed."""

    code = "log.proof"


class NoteError(LogError):
    """A note that is malformed, or not signed by the key that was expected (C2SP signed-note)."""

    code = "log.note"
