"""What attestation refuses by raising; disbelief is never an error but a result with failed checks."""

from __future__ import annotations

from policyengine.errors import PolicyEngineError


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


class FormatConflictError(PolicyEngineError):
    """Two evidence formats answer to one media type or have one name; which would judge must never depend on order."""

    code = "evidence.format-conflict"
