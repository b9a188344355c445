"""Cursors: opaque text that says after which row the next page starts."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TypeVar

from policyengine.services.errors import InvalidRequestError
from policyengine.services.records import Page

T = TypeVar("T")
_SEPARATOR = "\n"


def cursor_of(*parts: str) -> str:
    """Return the cursor that names a row by `parts`."""
    return base64.urlsafe_b64encode(_SEPARATOR.join(parts).encode()).decode().rstrip("=")


def parts_of(cursor: str, count: int) -> list[str]:
    """Return the `count` parts of a cursor; raises InvalidRequestError for text that is none of ours."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as cause:  # not ASCII, not base64, or not UTF-8 inside
        raise _foreign() from cause
    parts = text.split(_SEPARATOR)
    if len(parts) != count or "\x00" in text:
        raise _foreign()
    return parts


def number(part: str) -> int:
    """Return a part that must be a whole number of microseconds or an index."""
    if not part.isascii() or not part.isdigit() or len(part) > 18:
        raise _foreign()
    return int(part)


def raw_hex(part: str) -> bytes:
    """Return a part that must be lowercase hex."""
    try:
        return bytes.fromhex(part)
    except ValueError as cause:
        raise _foreign() from cause


def page_of(rows: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    """Return the first `limit` of `rows`, which were asked for with one more, and the cursor after them."""
    items = tuple(rows[:limit])
    return Page(items=items, next=cursor(items[-1]) if len(rows) > limit and items else None)


def _foreign() -> InvalidRequestError:
    return InvalidRequestError("cursor is not one this service gave", code="request.cursor", field="cursor")
