"""Text that may reach facts, logs and pages: short, without NUL and without halves of characters."""

from __future__ import annotations

MAX_TEXT = 1024  # versions, names and URLs are far shorter


def is_plain_text(value: object) -> bool:
    """Return whether `value` is text that is not empty, has at most MAX_TEXT characters, no NUL and no surrogate."""
    return (
        type(value) is str
        and 0 < len(value) <= MAX_TEXT
        and not any(each == "\x00" or "\ud800" <= each <= "\udfff" for each in value)
    )
