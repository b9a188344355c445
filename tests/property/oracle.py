"""The slow, obvious interpreter: what an expression means, written once more without any care for speed.

It shares no code with the engine. `evaluate` returns the value, or raises UnknownError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from policyengine.model.expression import (
    And,
    Bind,
    Call,
    Comprehension,
    Conditional,
    Fact,
    Has,
    ListOf,
    Literal,
    Macro,
    Node,
    Now,
    Or,
    Select,
    Variable,
)

INT64 = range(-(2**63), 2**63)


class UnknownError(Exception):
    """Absent, or failed."""


class Partial:
    """A value read from facts, with the path whose completeness says whether it is all there is."""

    def __init__(self, value: object, path: str) -> None:
        self.value, self.path = value, path


class Oracle:
    """Interprets over nested facts; `complete(path)` says whether the source of a path listed everything."""

    def __init__(self, facts: Mapping[str, object], complete: Callable[[str], bool], now: datetime) -> None:
        self.facts, self.complete, self.now = facts, complete, now

    def outcome(self, node: Node) -> bool | None:
        """Return True, False, or None for unknown."""
        try:
            value = self.value(node, {})
        except UnknownError:
            return None
        assert isinstance(value, bool)
        return value

    def value(self, node: Node, env: Mapping[str, object]) -> object:
        """Return a value that is all there is."""
        seen = self.seen(node, env)
        if not isinstance(seen, Partial):
            return seen
        if isinstance(seen.value, tuple | dict) and not self.complete(seen.path):
            raise UnknownError
        return seen.value

    def seen(self, node: Node, env: Mapping[str, object]) -> object:
        """Return a value, or a Partial for one that is read from the facts."""
        return getattr(self, "_" + type(node).__name__.lower())(node, env)

    def _literal(self, node: Literal, env: Mapping[str, object]) -> object:
        return node.value

    def _now(self, node: Now, env: Mapping[str, object]) -> object:
        return self.now

    def _fact(self, node: Fact, env: Mapping[str, object]) -> object:
        value: object = self.facts
        for step in node.path:
            if not isinstance(value, dict) or step not in value:
                raise UnknownError
            value = value[step]
        return Partial(value, ".".join(node.path))

    def _variable(self, node: Variable, env: Mapping[str, object]) -> object:
        bound = env[node.name]
        return bound() if callable(bound) else bound

    def _select(self, node: Select, env: Mapping[str, object]) -> object:
        operand = self.seen(node.operand, env)
        assert isinstance(operand, Partial)
        if node.name not in operand.value:  # type: ignore[operator]
            raise UnknownError
        return Partial(operand.value[node.name], operand.path)  # type: ignore[index]

    def _has(self, node: Has, env: Mapping[str, object]) -> object:
        if isinstance(node.operand, Fact) and len(node.operand.path) == 1:
            operand: object = Partial(self.facts.get(node.operand.path[0], {}), node.operand.path[0])
        else:
            operand = self.seen(node.operand, env)
        assert isinstance(operand, Partial)
        if node.name in operand.value:  # type: ignore[operator]
            return True
        if self.complete(f"{operand.path}.{node.name}"):
            return False
        raise UnknownError

    def _and(self, node: And, env: Mapping[str, object]) -> object:
        return self._absorb([lambda part=part: self.value(part, env) for part in node.operands], False)

    def _or(self, node: Or, env: Mapping[str, object]) -> object:
        return self._absorb([lambda part=part: self.value(part, env) for part in node.operands], True)

    def _absorb(self, parts: list[Callable[[], object]], decisive: bool) -> bool:
        """Return `decisive` if any part is it; unknown if any part is unknown; else the other."""
        answers: list[object] = []
        for part in parts:
            try:
                answers.append(part())
            except UnknownError:
                answers.append(None)
        if any(answer is decisive for answer in answers):
            return decisive
        if any(answer is None for answer in answers):
            raise UnknownError
        return not decisive

    def _conditional(self, node: Conditional, env: Mapping[str, object]) -> object:
        return self.value(node.then if self.value(node.condition, env) else node.otherwise, env)

    def _listof(self, node: ListOf, env: Mapping[str, object]) -> object:
        return tuple(self.value(item, env) for item in node.items)

    def _bind(self, node: Bind, env: Mapping[str, object]) -> object:
        return self.value(node.body, {**env, node.name: lambda: self.seen(node.value, env)})

    def _comprehension(self, node: Comprehension, env: Mapping[str, object]) -> object:
        seen = self.seen(node.range, env)
        items = seen.value if isinstance(seen, Partial) else seen
        if isinstance(seen, Partial):
            elements: list[object] = [Partial(item, seen.path) for item in items]  # type: ignore[attr-defined]
        else:
            elements = list(items)  # type: ignore[call-overload]
        bodies = [lambda item=item: self.value(node.body, {**env, node.variables[0]: item}) for item in elements]
        if node.macro in (Macro.ALL, Macro.EXISTS):
            decisive = node.macro is Macro.EXISTS
            answer = self._absorb(bodies, decisive)
            if answer is not decisive and isinstance(seen, Partial) and not self.complete(seen.path):
                raise UnknownError
            return answer
        self.value(node.range, env)
        answers = [body() for body in bodies]
        if node.macro is Macro.EXISTS_ONE:
            return answers.count(True) == 1
        if node.macro is Macro.MAP:
            return tuple(answers)
        return tuple(item for item, answer in zip(items, answers, strict=True) if answer)  # type: ignore[call-overload]

    def _call(self, node: Call, env: Mapping[str, object]) -> object:
        if node.function == "@in":
            return self._in(node, env)
        if node.function == "_[_]" and isinstance(self.seen(node.arguments[0], env), Partial):
            held = self.seen(node.arguments[0], env)
            key = self.value(node.arguments[1], env)
            assert isinstance(held, Partial)
            if isinstance(held.value, dict):
                if key not in held.value:
                    raise UnknownError
                return Partial(held.value[key], held.path)
        arguments = [self.value(argument, env) for argument in node.arguments]
        return _OPERATIONS[node.function](*arguments)

    def _in(self, node: Call, env: Mapping[str, object]) -> object:
        element, seen = self.value(node.arguments[0], env), self.seen(node.arguments[1], env)
        items = seen.value if isinstance(seen, Partial) else seen
        if any(type(item) is type(element) and item == element for item in items):  # type: ignore[attr-defined]
            return True
        if isinstance(seen, Partial) and not self.complete(seen.path):
            raise UnknownError
        return False


def _fits(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value not in INT64:
        raise UnknownError
    if isinstance(value, timedelta) and abs(value) > timedelta(seconds=315_576_000_000):  # ten thousand years
        raise UnknownError
    return value


def _sum(left: object, right: object, sign: int) -> object:
    try:
        return _fits(left + right if sign > 0 else left - right)  # type: ignore[operator]
    except OverflowError:
        raise UnknownError from None


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise UnknownError
    size = abs(left) // abs(right)
    value = size if (left >= 0) == (right >= 0) else -size
    _fits(value)
    return value


def _remainder(left: int, right: int) -> int:
    return left - right * _quotient(left, right)


def _duration(text: str) -> timedelta:
    units = {"h": 3600, "m": 60, "s": 1}
    return timedelta(seconds=int(text[:-1]) * units[text[-1]])


def _index(items: tuple[object, ...], at: int) -> object:
    if not 0 <= at < len(items):
        raise UnknownError
    return items[at]


def _version(text: object) -> tuple[int, ...]:
    parts = str(text).split(".")
    if len(parts) != 3 or not all(part.isdigit() and (part == "0" or part[0] != "0") for part in parts):
        raise UnknownError
    return tuple(map(int, parts))


def _text(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


_OPERATIONS: Mapping[str, Callable[..., object]] = {
    "_==_": lambda a, b: a == b,
    "_!=_": lambda a, b: a != b,
    "_<_": lambda a, b: a < b,
    "_<=_": lambda a, b: a <= b,
    "_>_": lambda a, b: a > b,
    "_>=_": lambda a, b: a >= b,
    "_+_": lambda a, b: _sum(a, b, 1),
    "_-_": lambda a, b: _sum(a, b, -1),
    "_*_": lambda a, b: _fits(a * b),
    "_/_": lambda a, b: a / b if isinstance(a, float) and b else _quotient(a, b),
    "_%_": _remainder,
    "-_": lambda a: _fits(-a),
    "!_": lambda a: not a,
    "_[_]": _index,
    "size": len,
    "startsWith": lambda a, b: a.startswith(b),
    "endsWith": lambda a, b: a.endswith(b),
    "contains": lambda a, b: b in a,
    "duration": _duration,
    "matches": lambda a, b: re.search(b, a) is not None,
    "string": _text,
    "atLeast": lambda a, b: _version(a) >= _version(b),
    "below": lambda a, b: _version(a) < _version(b),
}
