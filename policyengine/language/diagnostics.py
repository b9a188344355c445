"""Diagnostics: what is wrong in a policy repository, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Any

from policyengine.model.diagnostic import Diagnostic, Level

MAX_CANDIDATES = 500  # words compared for one suggestion: a millisecond, also when thousands of words are unknown
MAX_LENGTH_DIFFERENCE = 8  # a misspelling is about as long as the word

_MEANT = "did you mean `"


@dataclass(slots=True)
class Report:
    """Collects diagnostics while a tree is compiled, so that all mistakes are shown at once."""

    found: list[Diagnostic] = field(default_factory=list)

    def add(self, diagnostic: Diagnostic) -> None:
        """Remember `diagnostic`."""
        self.found.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Remember all of `diagnostics`."""
        self.found.extend(diagnostics)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return `diagnostics` without repetitions, sorted by file, line, column and code."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda one: one.order))


def errors(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return those of `diagnostics` that keep the tree from compiling."""
    return tuple(one for one in diagnostics if one.severity is Level.ERROR)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Return whether any of `diagnostics` keeps the tree from compiling."""
    return bool(errors(diagnostics))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean `x`?" for the closest of `known`, or the known words if they are few, or nothing."""
    candidates = list(known)
    alike = (one for one in candidates if abs(len(one) - len(word)) <= MAX_LENGTH_DIFFERENCE)
    close = get_close_matches(word[:128], islice(alike, MAX_CANDIDATES), n=1, cutoff=0.6)
    if close:
        return f"{_MEANT}{close[0]}`?"
    if 0 < len(candidates) <= 12:
        return "known: " + ", ".join(f"`{one}`" for one in sorted(candidates))
    return ""


def proposed(diagnostic: Diagnostic) -> str:
    """Return the word that `did_you_mean` proposed in place of what stands there; empty when it proposed none."""
    return diagnostic.help.removeprefix(_MEANT).removesuffix("`?") if diagnostic.help.startswith(_MEANT) else ""


def as_text(diagnostic: Diagnostic) -> str:
    """Return `file:line:column: error[code] message`, with the help on a line of its own."""
    head = f"{diagnostic.file}:{diagnostic.line}:{diagnostic.column}: {diagnostic.severity.value}[{diagnostic.code}]"
    text = f"{head} {diagnostic.message}"
    return f"{text}\n  help: {diagnostic.help}" if diagnostic.help else text


def as_document(diagnostic: Diagnostic) -> dict[str, object]:
    """Return the JSON shape of `policyengine check --output json`."""
    return {
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "end_column": diagnostic.end_column or diagnostic.column,
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "suggestion": diagnostic.suggestion,
    }


def as_stored(one: Diagnostic) -> list[object]:
    """Return `one` as the list that `from_stored` reads."""
    place = [one.file, one.line, one.column, one.end_column]
    return [*place, one.code, one.severity.value, one.message, one.help, one.suggestion]


def from_stored(form: Any) -> Diagnostic:
    """Return the diagnostic that `as_stored` was given; raises ValueError or TypeError for another form."""
    file, line, column, end_column, code, severity, message, advice, suggestion = form
    return Diagnostic(
        file=str(file),
        line=int(line),
        column=int(column),
        end_column=int(end_column),
        code=str(code),
        severity=Level(severity),
        message=str(message),
        help=str(advice),
        suggestion=str(suggestion),
    )
