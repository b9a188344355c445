"""One CEL expression with its variables in, its value or error out: `policyengine cel eval` (DESIGN section 11).

The expression is compiled and run by the engine that judges devices, with everything complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from policyengine.decision.errors import ERRORS, reason_of
from policyengine.decision.plain import compile_plain
from policyengine.decision.typed_check import has_type
from policyengine.decision.typed_json import read_value, value_document
from policyengine.decision.weight import writable
from policyengine.errors import PolicyEngineError
from policyengine.language.cel.environment import CelProblem, ConditionError, PlainEnvironment
from policyengine.language.cel.functions import Function
from policyengine.language.cel.type_forms import read_declarations, type_form
from policyengine.model.strict_json import read_json
from policyengine.model.types import DYN, Type

MAX_ENVIRONMENTS = 64  # distinct declarations whose checker is kept; making one costs more than most expressions


class RequestError(PolicyEngineError):
    """A line that asks for no evaluation."""

    code = "cel.request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is printed for one line; `is_answered` says whether the line was a request at all."""

    document: Mapping[str, object]
    is_answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    id: object
    expression: str
    bindings: Mapping[str, object]
    types: Mapping[str, Type]
    functions: tuple[Function, ...]
    container: str
    is_checked: bool

    def environment(self) -> PlainEnvironment:
        variables = {**dict.fromkeys(self.bindings, DYN), **self.types}
        return _environment(tuple(variables.items()), self.functions, self.container)


@lru_cache(maxsize=MAX_ENVIRONMENTS)
def _environment(
    variables: tuple[tuple[str, Type], ...], functions: tuple[Function, ...], container: str
) -> PlainEnvironment:
    return PlainEnvironment(variables=dict(variables), functions=functions, container=container)


def answer_line(line: bytes) -> Answer:
    """Return the answer to one JSON request; never raises for what the line holds."""
    try:
        document = read_json(line)
        if not isinstance(document, dict):
            raise RequestError("a request is a JSON object")
    except PolicyEngineError as error:
        return Answer(document={"id": None, **_failure("error", error)}, is_answered=False)
    name = document.get("id")
    try:
        request = _request(document)
    except RequestError as error:
        return Answer(document={"id": name, **_failure("error", error)}, is_answered=False)
    except PolicyEngineError as error:
        return Answer(document={"id": name, **_failure("error", error)}, is_answered=True)
    return Answer(document={"id": name, **_evaluated(request)}, is_answered=True)


def refused_line(line: bytes, error: PolicyEngineError) -> Answer:
    """Return the answer to a request whose evaluation `error` has stopped from outside."""
    try:
        document = read_json(line)
    except PolicyEngineError:
        document = None
    name = document.get("id") if isinstance(document, dict) else None
    return Answer(document={"id": name, **_failure("error", error)}, is_answered=isinstance(document, dict))


def _request(document: Mapping[str, object]) -> _Request:
    match document:
        case {"expr": str(expression)}:
            bindings, container = _given(document, "bindings", {}), _given(document, "container", "")
        case _:
            raise RequestError("a request has the text `expr`")
    if not isinstance(bindings, dict) or not isinstance(container, str):
        raise RequestError("`bindings` is an object and `container` a text")
    declared = read_declarations(_given(document, "type_env", {}))
    values = {name: read_value(value, f"bindings.{name}") for name, value in bindings.items()}
    for name, value in values.items():
        if not has_type(value, declared.variables.get(name, DYN)):
            raise RequestError(f"`{name[:64]}` is not of the type that `type_env` declares")
    return _Request(
        id=document.get("id"),
        expression=expression,
        bindings=values,
        types=declared.variables,
        functions=declared.functions,
        container=container,
        is_checked=not _is_unchecked(document),
    )


def _is_unchecked(document: Mapping[str, object]) -> bool:
    held = document.get("disable_check")
    if held is not None and not isinstance(held, bool):
        raise RequestError("`disable_check` is true or false")
    return held is True


def _given(document: Mapping[str, object], key: str, default: object) -> object:
    held = document.get(key)
    return default if held is None else held


def _evaluated(request: _Request) -> dict[str, object]:
    environment = request.environment()
    try:
        compiled = (environment.compile if request.is_checked else environment.parse)(request.expression)
    except ConditionError as error:
        problems = [_problem(each) for each in error.problems]
        return {**_failure("compile_error", error), "code": error.problems[0].code, "problems": problems}
    known = {"type": type_form(compiled.result_type)} if request.is_checked else {}
    try:
        value = writable(compile_plain(compiled.node)(request.bindings))
    except ERRORS as error:
        return {"kind": "error", "code": reason_of(error), "message": _sentence(error), **known}
    return {"kind": "value", "value": value_document(value), **known}


def _failure(kind: str, error: PolicyEngineError) -> dict[str, object]:
    return {"kind": kind, "code": error.code, "message": error.message}


def _sentence(error: BaseException) -> str:
    return error.message if isinstance(error, PolicyEngineError) else reason_of(error)


def _problem(problem: CelProblem) -> dict[str, object]:
    return {
        "offset": problem.offset,
        "length": problem.length,
        "code": problem.code,
        "message": problem.message,
        "help": problem.help,
    }
