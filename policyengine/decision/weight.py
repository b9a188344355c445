"""How large a value is when written out: a list in which one list stands twice, ten times over, is short in memory."""

from __future__ import annotations

from policyengine.decision.errors import CelError
from policyengine.decision.values import Optional

MAX_WRITTEN = 4 * 1024 * 1024  # characters, bytes and values: as much as one request may hold


def writable(value: object) -> object:
    """Return `value`; raises CelError `cel.size` if its text would be longer than MAX_WRITTEN."""
    left, open_values = MAX_WRITTEN, [value]
    while open_values:
        found = open_values.pop()
        left -= 1
        match found:
            case str() | bytes():
                left -= len(found)
            case tuple():
                open_values.extend(found)
            case dict():
                open_values.extend(found)
                open_values.extend(found.values())
            case Optional():
                open_values.append(found.value)
        if left < len(open_values):
            raise CelError("cel.size", f"the value is larger than {MAX_WRITTEN}")
    return value
