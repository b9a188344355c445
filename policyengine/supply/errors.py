"""Why a document of a supplier is refused."""

from __future__ import annotations

from policyengine.errors import PolicyEngineError


class SupplyError(PolicyEngineError):
    """A document that cannot be taken for what it should be; `code` says why, `path` where in it (RFC 9535 style)."""

    code = "supply.invalid"

    def __init__(self, message: str, *, code: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message, path=path)
        self.code, self.path = code, path
