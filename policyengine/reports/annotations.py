"""Annotations of GitHub Actions: one workflow command a diagnostic, shown beside the changed line."""

from __future__ import annotations

from collections.abc import Iterable

from policyengine.model.diagnostic import Diagnostic, Level

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "notice"}


def as_annotations(diagnostics: Iterable[Diagnostic], *, below: str = "") -> str:
    """Return one workflow command a line; `below` is the policy repository's path from the checkout's root."""
    return "\n".join(_annotation(one, below) for one in diagnostics)


def _annotation(one: Diagnostic, below: str) -> str:
    path = f"{below}/{one.file}" if below else one.file
    places = {"file": path, "line": str(one.line), "col": str(one.column), "title": one.code}
    if one.end_column:
        places["endColumn"] = str(one.end_column)
    properties = ",".join(f"{name}={_property(text)}" for name, text in places.items())
    text = f"{one.message}\n{one.help}" if one.help else one.message
    return f"::{_COMMANDS[one.severity]} {properties}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
