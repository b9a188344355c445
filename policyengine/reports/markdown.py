"""Markdown: tables of diagnostics for a pull request, with everything a policy's author wrote escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from policyengine.model.diagnostic import Diagnostic, Level

_SPECIAL = re.compile(r"([\\*_\[\]|#@~])")
_CODE = re.compile(r"`([^`\n]+)`")


def as_markdown(title: str, diagnostics: Sequence[Diagnostic]) -> str:
    """Return a heading, a sentence with the counts, and a table of `diagnostics` in their order."""
    lines = [f"## {prose(title)}", "", f"{counted(diagnostics)}."]
    return "\n".join([*lines, "", *table(_HEADING, map(_row, diagnostics))] if diagnostics else lines)


def counted(diagnostics: Sequence[Diagnostic]) -> str:
    """Return `1 error, 0 warnings, 2 notes`."""
    counts = ((sum(one.severity is level for one in diagnostics), word) for level, word in _WORDS.items())
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)


_WORDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
_HEADING = ("place", "severity", "code", "what", "help")


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; its cells are Markdown already."""
    return ["| " + " | ".join(cells) + " |" for cells in (heading, ["---"] * len(heading), *rows)]


def _row(one: Diagnostic) -> tuple[str, ...]:
    place = code(f"{one.file}:{one.line}:{one.column}")
    return (place, one.severity.value, code(one.code), prose(one.message), prose(one.help))


def code(text: str) -> str:
    """Return `text` as inline code that may stand in a table."""
    return "`" + " ".join(text.replace("`", "'").replace("|", "\\|").split()) + "`"


def prose(text: str) -> str:
    """Return `text` as one line of prose: what stands in backticks is code, nothing else is markup."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(code(part) if index % 2 else _plain(part) for index, part in enumerate(parts))


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", html.escape(text, quote=False)).replace("`", "\\`")
