"""Regular expressions in policies: RE2 or nothing, because RE2 never backtracks."""

from __future__ import annotations

import re2


def refusal(pattern: str) -> str | None:
    """Return why RE2 refuses `pattern`, None when it takes it."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as problem:
        return str(problem)
    return None
