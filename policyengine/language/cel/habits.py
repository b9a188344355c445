"""What people write who come from other languages, such as `and`, `=`, `True`, `any`, and how CEL says it."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.language.cel.text import SourceText

_OPERATORS: Mapping[str, str] = {
    "and": "&&",
    "AND": "&&",
    "&": "&&",
    "or": "||",
    "OR": "||",
    "|": "||",
    "not": "!",
    "NOT": "!",
    "is": "==",
    "=": "==",
    "<>": "!=",
}
_NAMES: Mapping[str, str] = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false", "None": "null"}
_FUNCTIONS: Mapping[str, str] = {
    "any": "exists",
    "some": "exists",
    "every": "all",
    "len": "size",
    "length": "size",
    "includes": "contains",
    "match": "matches",
    "lower": "lowerAscii",
    "upper": "upperAscii",
}


def operator_meant(source: SourceText, offset: int) -> str:
    """Return how to write what stands at `offset`, where no condition goes on, or just before; or nothing."""
    token = source.token_at(offset)
    if token is None:
        return ""
    if token.kind == "number":
        return f'write `duration("{token.text}")` for a duration'
    before = source.before(offset)
    for written in (before + token.text, token.text, before):
        if written in _OPERATORS:
            return f"write `{_OPERATORS[written]}`"
    return ""


def name_meant(name: str) -> str:
    """Return what CEL calls `name`, or nothing."""
    return _NAMES.get(name, "")


def function_meant(name: str) -> str:
    """Return what CEL calls the function `name`, or nothing."""
    return _FUNCTIONS.get(name, "")
