"""cel-cpp's error text as our problems: places in characters, stable codes, our words, and a suggestion.

cel-cpp writes `ERROR: <input>:LINE:COLUMN: TEXT` and then the line with a mark, once for each problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from policyengine.language.cel.habits import function_meant, name_meant, operator_meant
from policyengine.language.cel.names import PARAMS
from policyengine.language.cel.problems import CelProblem, quoted
from policyengine.language.cel.text import LET, LET_NAME, SourceText, too_deep
from policyengine.language.cel.types import PACKAGE, VERSION_MESSAGE
from policyengine.model.schema import FactSchema
from policyengine.model.types import Kind

MAX_PROBLEMS = 20  # of one condition; hostile text makes cel-cpp write thousands, and nobody reads more

_ENTRY = re.compile(
    r"^(?:[A-Z_]+: )?ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?=\n \| |\nERROR: <input>| \[[A-Z_]+\]\Z|\Z)",
    re.MULTILINE | re.DOTALL,
)
_CANCELLED = "CANCELLED: Expression recursion limit"
_STATUS = re.compile(r"^(?:[A-Z_]+: )+|\s*\[[A-Z_]+\]$")  # of absl::Status
_OPERATORS = {"@in": "in", "_[_]": "[]", "_[?_]": "[?]", "_?_:_": "?:", "-_": "-", "!_": "!"}
_DECIMALS = "write the number with a decimal point, such as `7.0`"
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_KINDS = {PARAMS: ("param", "cel.unknown-param"), LET: ("let", "cel.unknown-let")}
_MACROS = {
    "all": "`list.all(x, condition)`",
    "exists": "`list.exists(x, condition)`",
    "exists_one": "`list.exists_one(x, condition)`",
    "existsOne": "`list.existsOne(i, x, condition)`",
    "filter": "`list.filter(x, condition)`",
    "map": "`list.map(x, value)`",
    "has": "`has(group.fact)`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What could have been meant: the facts and the names that are declared beside them."""

    schema: FactSchema
    names: frozenset[str]  # variables, `params.NAME`, `let.NAME`
    functions: frozenset[str]

    def name_like(self, name: str) -> str:
        """Return the help for the unknown `name`."""
        if any(name.startswith(f"{group}.") for group in (PARAMS, LET)):
            group = name.partition(".")[0]
            return _suggestion(name, [known for known in self.names if known.startswith(f"{group}.")])
        if meant := name_meant(name):
            return f"did you mean `{meant}`?"
        facts = [".".join(path) for path, _ in self.schema.leaves()]
        return _suggestion(name, [*self.schema.roots, *self.names, *facts])

    def field_like(self, structure: str, field: str) -> str:
        """Return the help for the unknown `field` of `structure`."""
        path = self._path(structure)
        meant = _close(field, self.schema.structs.get(structure, {}))
        return f"did you mean `{path}.{meant}`?" if meant else f"`policyengine facts` lists the facts of `{path}`"

    def _path(self, structure: str) -> str:
        return structure if structure in self.schema.roots else self.element_of(structure)

    def element_of(self, structure: str) -> str:
        """Return the path of the list whose elements are `structure`, for reading: `sbom.components`."""
        for group, fields in self.schema.structs.items():
            for name, spec in fields.items():
                if spec.type.kind is Kind.LIST and spec.type.parameters[0].name == structure:
                    return f"{group}.{name}"
        return structure

    def is_library(self, name: str) -> bool:
        """Return whether functions are called as `name.function()`."""
        return any(function.startswith(f"{name}.") for function in self.functions)

    def function_like(self, name: str) -> str:
        """Return the help for the unknown function `name`."""
        if name in _MACROS:
            return f"it is written {_MACROS[name]}"
        if meant := function_meant(name):
            return f"did you mean `{meant}`?"
        return _suggestion(name, sorted(self.functions))


def _suggestion(name: str, known: Sequence[str]) -> str:
    meant = _close(name, known)
    return f"did you mean `{meant}`?" if meant else ""


def _close(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), "")


def problems_in(text: str, source: SourceText, vocabulary: Vocabulary) -> list[CelProblem]:
    """Return our problems for cel-cpp's error `text`; at least one, at most MAX_PROBLEMS."""
    if text.startswith(_CANCELLED):
        return [too_deep(0)]
    found: list[CelProblem] = []
    for entry in _ENTRY.finditer(text):
        line, column, message = int(entry[1]), int(entry[2]), entry[3]
        if (problem := _Reading(source, vocabulary, source.offset(line, column)).problem(message)) is not None:
            found.append(problem)
        if len(found) == MAX_PROBLEMS or (found[-1:] and found[-1].code == "cel.syntax"):
            break  # what follows a syntax error is mostly its echo
    return found or [CelProblem(offset=0, code="cel.invalid", message=_plain(text.partition("\n")[0]))]


def undeclarable(text: str) -> CelProblem:
    """Return the problem of declarations that cel-cpp refuses with the error `text`."""
    return CelProblem(offset=0, code="cel.invalid", message=f"cannot be declared: {_plain(text)}")


class _Reading:
    """One error of cel-cpp, at one place, put into our words."""

    def __init__(self, source: SourceText, vocabulary: Vocabulary, offset: int) -> None:
        self._source, self._vocabulary, self._offset = source, vocabulary, offset

    def problem(self, message: str) -> CelProblem | None:
        """Return the problem, or None for the echo of another one."""
        if "'*error*'" in message or "*error*" in message:
            return None
        for pattern, read in _READINGS:
            if found := pattern.fullmatch(message):
                return read(self, *found.groups())
        return self._at(self._source.anchor(self._offset), "cel.invalid", _plain(message))

    def _at(self, offset: int, code: str, message: str, advice: str = "", length: int | None = None) -> CelProblem:
        offset = min(offset, self._source.last)
        if length is None:
            token = self._source.token_at(offset)
            length = 0 if token is None else token.end - offset
        return CelProblem(offset=offset, length=length, code=code, message=message, help=advice)

    def unknown_field(self, field: str, structure: str) -> CelProblem:
        """Return the problem of a field that its structure does not declare."""
        name = structure.removeprefix(f"{PACKAGE}.")
        if structure == VERSION_MESSAGE:
            return self._at(self._source.anchor(self._offset), "cel.type", f"a version has no field {quoted(field)}")
        advice = self._vocabulary.field_like(name, field)
        is_group = (
            name in self._vocabulary.schema.roots and self._vocabulary.schema.roots[name].type.kind is Kind.STRUCT
        )
        shown = (
            f"fact {quoted(f'{name}.{field}')}"
            if is_group
            else f"field {quoted(field)} of `{self._vocabulary.element_of(name)}`"
        )
        return self._at(self._source.anchor(self._offset), "cel.unknown-fact", f"{shown} is not declared", advice)

    def unknown_name(self, name: str) -> CelProblem | None:
        """Return the problem of a name or function that nothing declares."""
        token = self._source.token_at(self._offset)
        if self._vocabulary.is_library(name) and self._source.follows(self._offset, "."):
            return None  # the echo of an unknown function of that library
        start = self._source.chain_start(self._offset)
        if token is not None and token.text == "(":
            return self._unknown_function(name, start)
        if name.startswith(f"{LET_NAME}."):
            name = f"{LET}.{name.partition('.')[2]}"
        kind, code = _KINDS.get(name.partition(".")[0], ("fact", "cel.unknown-fact"))
        length = len(name) if self._source.text.startswith(name, start) else None
        message = f"{kind} {quoted(name)} is not declared"
        return self._at(start, code, message, self._vocabulary.name_like(name), length)

    def _unknown_function(self, name: str, start: int) -> CelProblem:
        offset = self._source.anchor(self._offset)
        full = self._source.text[start : offset + len(name)]
        known = next((each for each in (full, name) if each in self._vocabulary.functions), None)
        if known is None or known in _MACROS:
            advice = self._vocabulary.function_like(name)
            return self._at(offset, "cel.unknown-function", f"no function {quoted(name)}", advice)
        return self._at(offset, "cel.type", f"`{known}` does not take this number of arguments")

    def no_range(self, kind: str) -> CelProblem:
        """Return the problem of a macro over something that is neither list nor map."""
        return self._at(
            self._source.chain_start(self._offset),
            "cel.type",
            f"a macro runs over a list or map, not over {_types(kind)}",
        )

    def no_overload(self, function: str, types: str) -> CelProblem:
        """Return the problem of a function that does not take arguments of these types."""
        shown = _OPERATORS.get(function, function.strip("_"))
        offset = self._source.anchor(self._offset)
        if VERSION_MESSAGE in types and shown in _COMPARISONS:
            message = f"`{shown}` cannot compare versions, which compare only under their model's scheme"
            advice = 'use `.atLeast("1.2.3")`, `.below("2.0.0")` or `.within("vers:...")`'
            return self._at(offset, "cel.version-compare", message, advice)
        advice = _DECIMALS if sorted(types.split(", ")) == ["double", "int"] else ""
        return self._at(offset, "cel.type", f"`{shown}` does not take ({_types(types)})", advice)

    def no_fields(self, kind: str) -> CelProblem:
        """Return the problem of a selection on a value that has no fields."""
        message = f"a value of type {_types(kind)} has no fields"
        return self._at(self._source.anchor(self._offset), "cel.type", message)

    def unexpected(self, found: str) -> CelProblem:
        """Return the problem of a token that cannot stand here."""
        shown = "end of the condition" if found == "<EOF>" else quoted(found)
        return self._at(self._offset, "cel.syntax", f"unexpected {shown}", operator_meant(self._source, self._offset))

    def missing(self, token: str) -> CelProblem:
        """Return the problem of a token that must stand here."""
        return self._at(self._offset, "cel.syntax", f"missing {quoted(token)}")

    def unreadable(self, text: str) -> CelProblem:
        """Return the problem of characters that start no token."""
        escape = "an escape in this text is not valid; write `\\\\` for a backslash" if text[:1] in "\"'" else ""
        advice = escape or operator_meant(self._source, self._offset)
        return self._at(self._offset, "cel.syntax", f"cannot read {quoted(text.rstrip() or text)}", advice)

    def bad_syntax(self, text: str) -> CelProblem:
        """Return the problem of a syntax error of any other kind."""
        return self._at(self._offset, "cel.syntax", _plain(text))

    def too_deep(self) -> CelProblem:
        """Return the problem of a condition that cel-cpp found too deep, somewhere."""
        return too_deep(0)

    def reserved(self, word: str) -> CelProblem:
        """Return the problem of a reserved word used as a name."""
        advice = "write `let.NAME`" if word == LET else ""
        return self._at(self._offset, "cel.syntax", f"{quoted(word)} is a reserved word", advice)

    def bad_literal(self, text: str) -> CelProblem:
        """Return the problem of a number or text constant that is out of range or ill-formed."""
        return self._at(self._offset, "cel.literal", _plain(text))

    def bad_macro(self, name: str, text: str) -> CelProblem:
        """Return the problem of a macro written wrongly."""
        advice = f"it is written {_MACROS[name]}" if name in _MACROS else ""
        return self._at(self._source.chain_start(self._offset), "cel.macro", f"`{name}`: {_plain(text)}", advice)


_Reader = Callable[..., CelProblem | None]
_READINGS: Sequence[tuple[re.Pattern[str], _Reader]] = [
    (re.compile(pattern, re.DOTALL), reader)
    for pattern, reader in (
        (r"undefined field '(.*)' not found in struct '(.*)'", _Reading.unknown_field),
        (r"undeclared reference to '(.*)' \(in container '.*'\)", _Reading.unknown_name),
        (r"found no matching overload for '(.*)' applied to '\((.*)\)'", _Reading.no_overload),
        (r"expression of type '(.*)' cannot be the operand of a select operation", _Reading.no_fields),
        (r"expression of type '(.*)' cannot be the range of a comprehension .*", _Reading.no_range),
        (r"Syntax error: (?:mismatched|extraneous) input '(.*)' expecting .*", _Reading.unexpected),
        (r"Syntax error: no viable alternative at input '(.*)'", _Reading.unexpected),
        (r"Syntax error: missing '(.*)' at '.*'", _Reading.missing),
        (r"Syntax error: token recognition error at: '(.*)'", _Reading.unreadable),
        (r"reserved identifier: (.*)", _Reading.reserved),
        (r"Syntax error: (.*)", _Reading.bad_syntax),
        (r"(invalid .* literal.*)", _Reading.bad_literal),
        (r"Invalid (?:string|bytes) literal: (.*)", _Reading.bad_literal),
        (r"([\w.]+)\(\) (.*)", _Reading.bad_macro),
        (r"(sortBy) (can only .*)", _Reading.bad_macro),
        (r"Exceeded max recursion depth.*", _Reading.too_deep),
    )
]


def _types(text: str) -> str:
    named = text.replace(VERSION_MESSAGE, "version").replace(f"{PACKAGE}.", "")
    return named.replace("google.protobuf.Timestamp", "timestamp").replace("google.protobuf.Duration", "duration")


def _plain(text: str) -> str:
    """Return foreign text as a sentence of ours: one line, lowercase start, no full stop."""
    line = " ".join(_STATUS.sub("", text).replace(f"{LET_NAME}.", f"{LET}.").split())[:200].rstrip(".")
    return line[:1].lower() + line[1:]
