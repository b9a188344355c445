"""Plain YAML scalars, read strictly: only what every reader of the file takes for the same thing.

YAML 1.1 and 1.2 disagree on `no`, `010`, `0o17`, `1_000` and `12:30`; each of them is refused with advice instead of
being read one way here and another way elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from policyengine.language.nodes import Atom
from policyengine.model.canonical import MAX_INTEGER

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_ODD_NUMBER = re.compile(
    r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|[1-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)
_ODD_BOOLEANS = frozenset(
    form for word in ("y", "n", "yes", "no", "on", "off") for form in (word, word.capitalize(), word.upper())
) | frozenset({"True", "TRUE", "False", "FALSE"})
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarProblem:
    """Why a plain scalar is refused: a code of language/codes.py, a sentence, and what to write instead."""

    code: str
    message: str
    help: str


def resolve(text: str) -> Atom | ScalarProblem:
    """Return the value of the plain (unquoted) scalar `text`, or why it is refused."""
    if text in _NULLS:
        return ScalarProblem(
            code="yaml.null", message="a value is missing here", help="write a value or remove the key"
        )
    if text == "true":
        return True
    if text == "false":
        return False
    if text in _ODD_BOOLEANS:
        return _odd_boolean(text)
    if text[0] in "+-.0123456789":
        return _number(text)
    return text


def _odd_boolean(text: str) -> ScalarProblem:
    return ScalarProblem(
        code="yaml.boolean",
        message=f"`{text}` is a boolean to some readers of YAML and text to others",
        help=f'write `true` or `false` for a boolean, or "{text}" in quotes for text',
    )


def _number(text: str) -> Atom | ScalarProblem:
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if abs(value) < float("inf") else _odd_number(text)
    return _odd_number(text) if _ODD_NUMBER.fullmatch(text) else text


def _integer(text: str) -> int | ScalarProblem:
    if len(text) > 17 or abs(int(text)) > MAX_INTEGER:
        return ScalarProblem(
            code="yaml.number",
            message=f"the integer `{text[:40]}` is beyond 2^53 - 1",
            help="quote it if it is an identifier and not a quantity",
        )
    return int(text)


def _odd_number(text: str) -> ScalarProblem:
    return ScalarProblem(
        code="yaml.number",
        message=f"`{text[:40]}` is not a plain decimal number",
        help=f'write it in decimal without sign `+`, underscores or leading zeros, or "{text[:40]}" in quotes for text',
    )
