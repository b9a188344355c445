"""Exit codes: the only place where an error becomes one (DESIGN section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Protocol, TypeGuard, runtime_checkable


class Exit(IntEnum):
    """What the shell learns."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    UNREACHABLE = 3
    DENIED = 4
    FAULT = 5


@runtime_checkable
class Refusal(Protocol):
    """An error raised on purpose: the roots of policyengine and pki have this shape alike."""

    code: str
    message: str
    fields: Mapping[str, object]


# The longest matching prefix of an error's code decides; an error of ours that is not named here is refused input.
_BY_CODE = {
    "actor": Exit.DENIED,
    "request.refused": Exit.DENIED,
    "state.conflict": Exit.DENIED,
    "issue": Exit.DENIED,
    "revocation": Exit.DENIED,
    "renewal": Exit.DENIED,
    "est.denied": Exit.DENIED,
    "certificate.denied": Exit.DENIED,
    "fault": Exit.FAULT,
    "pki.fault": Exit.FAULT,
    "service.fault": Exit.FAULT,
    "store.unavailable": Exit.UNREACHABLE,
    "client.unreachable": Exit.UNREACHABLE,
    "log.consistency": Exit.FINDINGS,
    "log.inclusion": Exit.FINDINGS,
    "log.signature": Exit.FINDINGS,
    "log.unsigned": Exit.FINDINGS,
    "log.tile": Exit.FINDINGS,
}


def exit_code(error: BaseException) -> Exit:
    """Return the exit code of `error`: by its stable code, or by kind for what the operating system refuses."""
    if _is_refusal(error):
        return _by_code(error.code)
    if isinstance(error, ConnectionError | TimeoutError):
        return Exit.UNREACHABLE
    if isinstance(error, PermissionError):
        return Exit.DENIED
    return Exit.USAGE if isinstance(error, OSError) else Exit.FAULT


def _is_refusal(error: object) -> TypeGuard[Refusal]:
    return isinstance(error, Refusal)


def _by_code(code: str) -> Exit:
    parts = code.split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((_BY_CODE[prefix] for prefix in prefixes if prefix in _BY_CODE), Exit.USAGE)


def problem_document(error: BaseException) -> dict[str, object]:
    """Return `error` as a problem document (RFC 9457 members `type`, `title`, `detail`, plus `code` and its fields)."""
    code, message = _code_of(error), _sentence(error)
    fields = {name: _plain(value) for name, value in error.fields.items()} if _is_refusal(error) else {}
    status = _STATUS[exit_code(error)]
    return {**fields, "type": f"/problems/{code}", "title": message, "status": status, "detail": message, "code": code}


# What a server would have answered: RFC 9457 section 3.1.2 wants the member, a command has no other use for it.
_STATUS = {
    Exit.FINDINGS: 422,
    Exit.USAGE: 400,
    Exit.UNREACHABLE: 503,
    Exit.DENIED: 403,
    Exit.FAULT: 500,
}


def error_line(error: BaseException) -> str:
    """Return `error[code]: sentence`, on one line."""
    return f"error[{_code_of(error)}]: {_sentence(error)}".replace("\n", " ")


def _code_of(error: BaseException) -> str:
    if _is_refusal(error):
        return error.code
    return "file.unreadable" if isinstance(error, OSError) else "fault.internal"


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        return f"`{error.filename}`: {reason}" if error.filename else reason
    if _is_refusal(error):
        return error.message
    return f"internal fault ({type(error).__name__}); set POLICYENGINE_DEBUG=1 to see where"


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
