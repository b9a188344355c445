"""What is wrong with an export, and where."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.errors import PolicyEngineError

MAX_FAULTS = 200  # named one by one; a file with more is not mended by reading on


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it must be. `record` counts the lines of `member` from 1; None: all of it."""

    code: str
    member: str
    record: int | None
    message: str


def fault_of(error: PolicyEngineError, *, member: str) -> Fault:
    """Return an error as a fault of the member that it names, or else of `member`."""
    record = error.fields.get("record")
    return Fault(
        code=error.code,
        member=str(error.fields.get("member", member)),
        record=record if isinstance(record, int) else None,
        message=error.message,
    )
