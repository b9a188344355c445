"""The text of a condition as tokens: bounded before any native code sees it, and the places of things in it.

The tokens follow the lexical grammar of google/cel-spec `doc/langdef.md`, a little more leniently; cel-cpp has the last
word on syntax. They are here for what it does not do: refuse hostile text at its place, find where a name starts
(cel-cpp points at the dot or bracket behind it), and let `let` be a name (cel-cpp reserves the word).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from policyengine.language.cel.problems import CelProblem, ConditionError

MAX_CHARACTERS = 16 * 1024  # cel-cpp 0.1.3 survives every nesting shape of this size (measured); 100,000 deep kills it
MAX_NESTING = 32  # cel-cpp's own limit on recursion, which it reports without a place
LET = "let"
LET_NAME = "l_t"  # what cel-cpp reads instead of the reserved word; as long as `let`, so that no offset moves

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n\f]+|//[^\n]*)
    | (?P<string>(?:[bB]?[rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
                |[bB]?(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`\n]+`)
    | (?P<unclosed>["'`].*)
    | (?P<number>\.?\d\w*(?:\.\d\w*)?)
    | (?P<symbol>&&|\|\||[=!<>]=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBERED = re.compile(r"cel\.(iterVar|accuVar)\(\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\)")
_OPENING, _CLOSING = "([{", ")]}"
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUL = re.compile("\0")


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `start` is a character offset."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset behind the last character."""
        return self.start + len(self.text)


class SourceText:
    """The text of one condition, its tokens (without spaces and comments) and lines."""

    __slots__ = ("_lines", "_starts", "text", "tokens")

    def __init__(self, text: str) -> None:
        self.text = text
        found = ((match.lastgroup, match) for match in _TOKEN.finditer(text))
        self.tokens = tuple(Token(kind, at.group(), at.start()) for kind, at in found if kind and kind != "space")
        self._starts = [token.start for token in self.tokens]
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]  # cel-cpp breaks at line feeds only

    @property
    def last(self) -> int:
        """The offset of the last character that is neither space nor comment: where a missing one is reported."""
        return self.tokens[-1].end - 1 if self.tokens else 0

    def offset(self, line: int, column: int) -> int:
        """Return the character offset of cel-cpp's `line` and `column` (from 1); 0 for places outside the text."""
        if not 1 <= line <= len(self._lines):
            return 0
        return max(0, min(self._lines[line - 1] + column - 1, len(self.text)))

    def token_at(self, offset: int) -> Token | None:
        """Return the token that covers `offset`, if any."""
        index = self._index(offset)
        return self.tokens[index] if index >= 0 and offset < self.tokens[index].end else None

    def anchor(self, offset: int) -> int:
        """Return where a reader looks for what cel-cpp places at `offset`.

        A call's bracket becomes its function's name, a selection's dot the field's name; all else stays.
        """
        token, index = self.token_at(offset), self._index(offset)
        if token is None:
            return offset
        if token.text == "(" and index and self.tokens[index - 1].kind == "name":
            return self.tokens[index - 1].start
        if token.text == ".":
            names = (after for after in self.tokens[index + 1 : index + 3] if after.kind == "name")
            return next((name.start for name in names), offset)
        return offset

    def chain_start(self, offset: int) -> int:
        """Return where the dotted name at `offset` starts: at `boot` for any place in `boot.secure`."""
        index = self._index(self.anchor(offset))
        while index >= 2 and self.tokens[index - 1].text == "." and self.tokens[index - 2].kind == "name":
            index -= 2
        return self.tokens[index].start if index >= 0 else offset

    def follows(self, offset: int, text: str) -> bool:
        """Return whether the token after the one at `offset` is `text`."""
        return self._symbol(self._index(offset) + 1) == text

    def before(self, offset: int) -> str:
        """Return the token before the one at `offset`; empty when there is none."""
        return self._symbol(self._index(offset) - 1)

    def for_cel_cpp(self) -> str:
        """Return the text that cel-cpp parses, in which no offset moves.

        `let.` has another name, as the word is reserved, and the macro `exists_one` over two variables, which cel-cpp
        knows as `existsOne` only, has that one.
        """
        parts, end = [], 0
        for index, token in enumerate(self.tokens):
            if (other := self._renamed(index, token)) is not None:
                parts += [self.text[end : token.start], other.ljust(len(token.text))]
                end = token.end
        return "".join([*parts, self.text[end:]])

    def _renamed(self, index: int, token: Token) -> str | None:
        before, after = self._symbol(index - 1), self._symbol(index + 1)
        if token.text == LET and before != "." and after == ".":
            return LET_NAME
        if token.text == "exists_one" and before == "." and after == "(" and self._arguments(index + 1) == 3:
            return "existsOne"
        return None

    def _arguments(self, opening: int) -> int:
        """Return how many arguments the call has whose bracket is token number `opening`."""
        depth, commas = 0, 0
        for token in self.tokens[opening:]:
            if token.kind == "symbol":
                depth += (token.text in _OPENING) - (token.text in _CLOSING)
                commas += token.text == "," and depth == 1
            if depth == 0:
                break
        return commas + 1

    def _symbol(self, index: int) -> str:
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def _index(self, offset: int) -> int:
        return bisect_right(self._starts, offset) - 1


def with_numbered_variables(text: str) -> str:
    """Return `text` with `cel.iterVar(0, 1)`, a tool's name for a macro's variable, as a plain name as long."""
    return _NUMBERED.sub(lambda found: f"cel_{found[1]}_{found[2]}_{found[3]}".ljust(len(found.group())), text)


def read_condition(text: str) -> SourceText:
    """Return the tokens of a policy's condition: as `read_text`, and no NUL, which no fact holds either."""
    if found := _NUL.search(text):
        raise ConditionError([_unreadable(found)])
    return read_text(text)


def read_text(text: str) -> SourceText:
    """Return the tokens of `text`; raises ConditionError for text that must not reach native code."""
    if len(text) > MAX_CHARACTERS:
        raise ConditionError([_too_long(text)])
    if found := _SURROGATE.search(text):
        raise ConditionError([_unreadable(found)])
    source = SourceText(text)
    if problems := [*_unclosed(source), *_too_deep(source)]:
        raise ConditionError(problems)
    return source


def _too_long(text: str) -> CelProblem:
    message = f"condition has {len(text)} characters, the limit is {MAX_CHARACTERS}"
    return CelProblem(offset=MAX_CHARACTERS, code="cel.too-long", message=message, help="split it into several rules")


def _unreadable(found: re.Match[str]) -> CelProblem:
    name = f"U+{ord(found.group()):04X}"
    message = f"condition holds the character {name}, which no text may hold"
    return CelProblem(offset=found.start(), length=1, code="cel.character", message=message, help="remove it")


def _unclosed(source: SourceText) -> list[CelProblem]:
    return [
        CelProblem(
            offset=token.start,
            length=1,
            code="cel.syntax",
            message=f"text that starts with `{token.text[0]}` is not closed",
            help=f"close it with `{token.text[0]}`, and write `\\n` for a line break inside",
        )
        for token in source.tokens
        if token.kind == "unclosed"
    ]


def _too_deep(source: SourceText) -> list[CelProblem]:
    depth = 0
    for token in source.tokens:
        depth += (token.text in _OPENING) - (token.text in _CLOSING) if token.kind == "symbol" else 0
        if depth > MAX_NESTING:
            return [too_deep(token.start)]
    return []


def too_deep(offset: int) -> CelProblem:
    """Return the problem of a condition whose brackets, operators or macros nest too deeply at `offset`."""
    message = f"condition nests deeper than {MAX_NESTING} levels"
    return CelProblem(offset=offset, code="cel.too-deep", message=message, help="split it with `let` or several rules")
