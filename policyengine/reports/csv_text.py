"""CSV (RFC 4180) that a spreadsheet reads as text: no cell can become a formula."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FORMULA = ("=", "+", "-", "@")  # what makes a spreadsheet take a cell for a formula, also behind white space it trims
_WHITE = ("\t", "\r", "\n")
_SPECIAL = frozenset(',"')
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 :._/#-]*")  # cells that are shown as they are; most are


def csv_line(cells: Sequence[str | int | None]) -> bytes:
    """Return one record with its line end. A text that starts like a formula gets an apostrophe before it.

    Numbers stay numbers, None is an empty cell, and a text is on one line, so that a line of the file is a record.
    """
    return (",".join(map(_cell, cells)) + "\r\n").encode()


def safe_text(text: str) -> str:
    """Return `text` as a cell shows it; a text that already starts with an apostrophe gets another."""
    shown = " ".join(text.splitlines())
    risky = text.startswith((*_WHITE, "'")) or text.lstrip().startswith(_FORMULA)
    return "'" + shown if risky else shown


def _cell(value: str | int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    text = safe_text(value) if isinstance(value, str) else str(value)
    return '"' + text.replace('"', '""') + '"' if _SPECIAL & set(text) else text
