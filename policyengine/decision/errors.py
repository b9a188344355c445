"""What an expression can fail with; every one of them makes a rule unknown, never a pass."""

from __future__ import annotations

from policyengine.errors import PolicyEngineError
from policyengine.model.version import VersionError


class CelError(PolicyEngineError):
    """A run-time error of the expression language; its code is the reason of the unknown finding.

    Codes: `fact.absent`, `fact.incomplete`, `cel.overflow`, `cel.division-by-zero`, `cel.index`, `cel.key`,
    `cel.conversion`, `cel.no-overload`, `cel.range`, `cel.regex`, `cel.zone`, `cel.duplicate-key`, `cel.optional`,
    `cel.size`, `cel.undeclared`, `version.invalid`.
    """

    code = "cel.error"

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


ERRORS = (CelError, KeyError, OverflowError, VersionError)
"""What generated code raises: KeyError is an absent fact, OverflowError a time outside the years 1 to 9999."""


def reason_of(error: BaseException) -> str:
    """Return the stable reason code of one of ERRORS."""
    if isinstance(error, PolicyEngineError):
        return error.code
    return "fact.absent" if isinstance(error, KeyError) else "cel.range"


def no_overload(function: str, *arguments: object) -> CelError:
    """Return the error for `function` called on types that it does not take."""
    kinds = ", ".join(type(argument).__name__ for argument in arguments)
    return CelError("cel.no-overload", f"no overload of `{function}` takes ({kinds})")
