"""Where what a diagnostic means ends: the word, path or quoted text that begins at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from policyengine.language.diagnostics import proposed
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
    meant = found.group().rstrip(_COLONS) or found.group()
    word = _in_place(proposed(one), meant, text[: one.column - 1])
    return replace(one, end_column=one.column + len(meant), suggestion=word)


def _in_place(word: str, meant: str, before: str) -> str:
    """Return the proposed `word` as it must be written for `meant`: quoted like it, without what stands `before` it."""
    if not word:
        return ""
    if meant[0] in "\"'":
        return f"{meant[0]}{word}{meant[0]}"
    path, dot, last = word.rpartition(".")
    return last if dot and before.endswith(f"{path}.") else word
