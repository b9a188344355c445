r"""Regular expressions in policies: what RE2 and Rust's `regex` read alike, so that every engine gives one answer.

RE2 (generated Python, DuckDB) and Rust's `regex` (Polars) never backtrack and share most of their syntax. Refused is
what one of them lacks or reads otherwise: `\C`, `\Q..\E`, octal escapes, `\<`, negated `\p{^..}`, sets inside brackets
(`[[`, `&&`, `--`, `~~`), and a brace that starts no repetition. docs/policy-language.md has the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import re2

MAX_PATTERN = 1024  # characters; the longest in use, of certificate subjects, has 200

_ESCAPE = re.compile(r"\\(?:x\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|[pP]\{[A-Za-z_]+\}|[pP][A-Z]|.)", re.DOTALL)
_PIECE = re.compile(
    rf"""
      (?P<escape>{_ESCAPE.pattern})
    | (?P<repeat>\{{\d{{1,4}}(?:,\d{{0,4}})?\}})
    | (?P<group>\(\?(?:P?<[A-Za-z_][A-Za-z0-9_]*>|[a-zA-Z-]*[:)]|.))
    | (?P<open>\[\^?\]?)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LETTERS = frozenset("AadDwWsSbBzaftnrvpPx")  # letters that mean the same behind a backslash
_PUNCTUATION = frozenset(r"\.+*?()|[]{}^$-#&~/:,;'\"!%=@ ") | {'"'}
_FLAGS = re.compile(r"\(\?[imsU]*(?:-[imsU]+)?[:)]|\(\?P?<\w+>", re.ASCII)
_CLASS = re.compile(r"\[:\^?[a-z]+:\]")
_SETS = frozenset({"[:", *(f"\\{letter}" for letter in "dDwWsSpP")})
_SET_OPERATORS = ("&&", "--", "~~")


def refusal(pattern: str) -> str | None:
    """Return why `pattern` is not in the subset, None when it is."""
    if len(pattern) > MAX_PATTERN:
        return f"it has more than {MAX_PATTERN} characters"
    return _refused_by_re2(pattern) or next(_differences(pattern), None)


def _refused_by_re2(pattern: str) -> str | None:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as problem:
        said = str(problem.args[0] if problem.args else "").removeprefix("b'")
        return f"RE2 says {said.partition(':')[0].rstrip(chr(39))}"  # behind the colon stands the pattern again
    return None


def _differences(pattern: str) -> Iterator[str]:
    """Yield what other engines lack or read otherwise in a `pattern` that RE2 reads."""
    at, is_class = 0, False
    while at < len(pattern):
        if is_class:
            at, is_class, problem = _in_class(pattern, at)
        else:
            at, is_class, problem = _outside(pattern, at)
        if problem is not None:
            yield problem


def _outside(pattern: str, at: int) -> tuple[int, bool, str | None]:
    found = _PIECE.match(pattern, at)
    assert found is not None  # noqa: S101 - INVARIANT: the last form takes any character
    text, kind = found.group(), found.lastgroup
    problem = None
    if kind == "escape":
        problem = _escape_problem(text)
    elif kind == "group":
        problem = _group_problem(text, pattern[found.end() : found.end() + 1])
    elif kind == "sign" and text in "{}":
        problem = f"`{text}` stands for itself only as `\\{text}`"
    return found.end(), kind == "open", problem


def _group_problem(text: str, after: str) -> str | None:
    if not _FLAGS.fullmatch(text):
        return f"`{text}` is not a group that all engines know"
    if text.endswith(")") and after and after in "*+?{":
        return f"`{after}` behind `{text}` repeats nothing"
    return None


def _in_class(pattern: str, at: int) -> tuple[int, bool, str | None]:
    if (found := _CLASS.match(pattern, at) or _ESCAPE.match(pattern, at)) is not None:
        text = found.group()
        starts_range = text[:2] in _SETS and pattern[found.end()] == "-" and pattern[found.end() + 1] != "]"
        problem = f"`{text}` is not the start of a range" if starts_range else _escape_problem(text)
        return found.end(), True, problem
    if pattern[at] == "[":
        return at + 1, True, "`[` in brackets stands for itself only as `\\[`"
    if pattern[at : at + 2] in _SET_OPERATORS:
        return at + 2, True, f"`{pattern[at : at + 2]}` in brackets is an operation on sets for some engines"
    return at + 1, pattern[at] != "]", None


def _escape_problem(text: str) -> str | None:
    sign = text[1:2]
    if text[0] == "[":
        return None
    if sign in _PUNCTUATION or (sign in _LETTERS and (sign not in "pPx" or len(text) > 2)):
        return None
    return f"`{text}` is not an escape that all engines know"
