"""What attestation refuses by raising; disbelief is never an error but a result with failed checks."""

from __future__ import annotations

from policyengine.errors import PolicyEngineError

MAX_QUOTED = 80  # characters of foreign text in a sentence


def quoted(text: str) -> str:
    """Return foreign `text` in backticks, printable and short."""
    return f"`{ascii(text[:MAX_QUOTED])[1:-1]}`"


class MalformedEvidenceError(PolicyEngineError):
    """The bytes are not evidence of the announced format; `code` (`cbor.trailing`, `cose.structure`...) says why."""

    code = "evidence.malformed"

    def __init__(self, code: str, reason: str, **fields: object) -> None:
        super().__init__(f"evidence does not parse: {reason}", check=code, **fields)
        self.code = code


class UnsupportedMediaTypeError(PolicyEngineError):
    """No evidence format is registered for this media type; formats are never guessed from the bytes."""

    code = "evidence.media-type"


class TrustAnchorError(PolicyEngineError):
    """The anchors given to a verifier cannot be used: unreadable, or too many to try within bounds."""

    code = "evidence.anchors"
