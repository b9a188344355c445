"""Where what a diagnostic means ends: the word, path or quoted text that begins at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from policyengine.model.diagnostic import Diagnostic

# A key, value, fact path or number; a quoted text; an operator; else one character.
_MEANT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[*&!]?[\w/:-]+(?:\.[\w/:-]+)*|[&|=!<>]{1,2}|.")
_COLONS = ":"


def with_ends(diagnostics: Iterable[Diagnostic], files: Mapping[str, bytes]) -> tuple[Diagnostic, ...]:
    """Return `diagnostics`, each with the end of what it means, where the text of `files` shows it."""
    lines: dict[str, list[str]] = {}
    return tuple(_with_end(one, lines, files) for one in diagnostics)


def _with_end(one: Diagnostic, lines: dict[str, list[str]], files: Mapping[str, bytes]) -> Diagnostic:
    if one.file not in lines:
        lines[one.file] = files.get(one.file, b"").decode("utf-8", "replace").split("\n")
    text = lines[one.file][one.line - 1] if one.line <= len(lines[one.file]) else ""
    found = _MEANT.match(text, one.column - 1)
    if found is None:
        return one
    return replace(one, end_column=one.column + len(found.group().rstrip(_COLONS) or found.group()))
