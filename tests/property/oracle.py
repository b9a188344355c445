"""The slow, obvious interpreter: what an expression means, written once more without any care for speed.

It shares no code with the engine. `outcome` returns True, False, or None for unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

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
    MapOf,
    Node,
    Now,
    Or,
    Param,
    Select,
    Variable,
)
from policyengine.model.types import Kind
from tests.property.oracle_functions import FUNCTIONS
from tests.property.oracle_values import (
    NOTHING,
    UnknownError,
    Value,
    boolean,
    equal,
    found,
    mapping,
    number,
    sequence,
    some,
    tagged,
    text,
    unsigned,
)

COLLECTIONS = ("list", "map")


class Partial:
    """A value read from facts, with the path whose completeness says whether it is all there is."""

    def __init__(self, value: Value, path: str) -> None:
        self.value, self.path = value, path


Seen = Value | Partial
Env = Mapping[str, Callable[[], Seen]]


class Oracle:
    """Interprets over nested facts; `complete(path)` says whether the source of a path listed everything."""

    def __init__(
        self,
        facts: Mapping[str, object],
        complete: Callable[[str], bool],
        now: datetime,
        params: Mapping[str, object] | None = None,
    ) -> None:
        self.facts = {name: tagged(held) for name, held in facts.items()}
        self.complete, self.now, self.params = complete, tagged(now), params or {}

    def outcome(self, node: Node) -> bool | None:
        """Return True, False, or None for unknown."""
        try:
            value = self.value(node, {})
        except UnknownError:
            return None
        return bool(value.held) if value.kind == "bool" else None

    def value(self, node: Node, env: Env) -> Value:
        """Return a value that is all there is."""
        seen = self.seen(node, env)
        if not isinstance(seen, Partial):
            return seen
        if seen.value.kind in COLLECTIONS and not self.complete(seen.path):
            raise UnknownError
        return seen.value

    def seen(self, node: Node, env: Env) -> Seen:
        """Return a value, or a Partial for one that is read from the facts."""
        return getattr(self, "_" + type(node).__name__.lower())(node, env)  # type: ignore[no-any-return]

    def truth(self, node: Node, env: Env) -> bool:
        value = self.value(node, env)
        if value.kind != "bool":
            raise UnknownError
        return bool(value.held)

    def _literal(self, node: Literal, env: Env) -> Seen:
        if node.type.kind is Kind.UINT:
            return unsigned(int(node.value or 0))
        return Value("type", node.value) if node.type.kind is Kind.TYPE else tagged(node.value)

    def _now(self, node: Now, env: Env) -> Seen:
        return self.now

    def _param(self, node: Param, env: Env) -> Seen:
        return tagged(self.params[node.name])

    def _fact(self, node: Fact, env: Env) -> Seen:
        if node.path[0] not in self.facts:
            raise UnknownError
        value = self.facts[node.path[0]]
        for step in node.path[1:]:
            value = _field(value, step)
        return Partial(value, ".".join(node.path))

    def _variable(self, node: Variable, env: Env) -> Seen:
        if node.name in env:
            return env[node.name]()
        if node.name in self.facts:  # plain CEL: a variable of the caller's
            return self.facts[node.name]
        raise UnknownError

    def _select(self, node: Select, env: Env) -> Seen:
        operand = self.seen(node.operand, env)
        held = operand.value if isinstance(operand, Partial) else operand
        if node.optional or held.kind == "optional":
            return self._known(_optional_field(held, node.name), operand, f".{node.name}")
        value = _field(held, node.name)
        return Partial(value, f"{operand.path}.{node.name}") if isinstance(operand, Partial) else value

    def _known(self, optional: Value, source: Seen, suffix: str) -> Value:
        """Return an optional read from facts, if no fact still missing could change it."""
        if not isinstance(source, Partial) or self.complete(source.path + suffix):
            return optional
        if optional.held is None or optional.held.kind in COLLECTIONS:
            raise UnknownError
        return optional

    def _has(self, node: Has, env: Env) -> Seen:
        if isinstance(node.operand, Fact) and len(node.operand.path) == 1 and node.operand.type.kind is Kind.STRUCT:
            root = node.operand.path[0]
            operand: Seen = Partial(self.facts.get(root, mapping(())), root)
        else:
            operand = self.seen(node.operand, env)
        held = operand.value if isinstance(operand, Partial) else operand
        if held.kind == "optional":
            return boolean(_optional_field(held, node.name).held is not None)
        if held.kind != "map":
            raise UnknownError
        is_there = found(held.held, text(node.name)) is not None
        if not is_there and isinstance(operand, Partial) and not self.complete(f"{operand.path}.{node.name}"):
            raise UnknownError
        return boolean(is_there)

    def _and(self, node: And, env: Env) -> Seen:
        return self._absorb([lambda part=part: self.truth(part, env) for part in node.operands], decisive=False)

    def _or(self, node: Or, env: Env) -> Seen:
        return self._absorb([lambda part=part: self.truth(part, env) for part in node.operands], decisive=True)

    def _absorb(self, parts: Sequence[Callable[[], bool]], *, decisive: bool) -> Value:
        """Return `decisive` if any part is it; unknown if any part is unknown; else the other."""
        answers: list[bool | None] = []
        for part in parts:
            try:
                answers.append(part())
            except UnknownError:
                answers.append(None)
        if decisive in answers:
            return boolean(decisive)
        if None in answers:
            raise UnknownError
        return boolean(not decisive)

    def _conditional(self, node: Conditional, env: Env) -> Seen:
        return self.value(node.then if self.truth(node.condition, env) else node.otherwise, env)

    def _listof(self, node: ListOf, env: Env) -> Seen:
        items: list[Value] = []
        for at, item in enumerate(node.items):
            value = self.value(item, env)
            items += [value] if at not in node.optional else _held(value)
        return sequence(items)

    def _mapof(self, node: MapOf, env: Env) -> Seen:
        pairs: list[tuple[Value, Value]] = []
        for at, (key, held) in enumerate(node.entries):
            name, value = self.value(key, env), self.value(held, env)
            pairs += [(name, each) for each in ([value] if at not in node.optional else _held(value))]
        return mapping(pairs)

    def _bind(self, node: Bind, env: Env) -> Seen:
        return self.value(node.body, {**env, node.name: lambda: self.seen(node.value, env)})

    def _comprehension(self, node: Comprehension, env: Env) -> Seen:
        seen = self.seen(node.range, env)
        rounds = [{**env, **bound} for bound in _rounds(node, seen)]
        if node.macro not in (Macro.ALL, Macro.EXISTS):
            self.value(node.range, env)  # the other macros need the whole collection
            return self._collected(node, rounds)
        decisive = node.macro is Macro.EXISTS
        answer = self._absorb([lambda each=each: self.truth(node.body, each) for each in rounds], decisive=decisive)
        if answer.held is not decisive and isinstance(seen, Partial) and not self.complete(seen.path):
            raise UnknownError
        return answer

    def _collected(self, node: Comprehension, rounds: list[dict[str, Callable[[], Seen]]]) -> Value:
        first = node.variables[0]
        if node.macro is Macro.EXISTS_ONE:
            return boolean([self.truth(node.body, each) for each in rounds].count(True) == 1)
        if node.macro is Macro.FILTER:
            return sequence([_plain(each[first]()) for each in rounds if self.truth(node.body, each)])
        kept = [each for each in rounds if node.condition is None or self.truth(node.condition, each)]
        bodies = [self.value(node.body, each) for each in kept]
        if node.macro in (Macro.MAP, Macro.TRANSFORM_LIST):
            return sequence(bodies)
        if node.macro is Macro.TRANSFORM_MAP:
            return mapping((_plain(each[first]()), body) for each, body in zip(kept, bodies, strict=True))
        if any(body.kind != "map" for body in bodies):
            raise UnknownError
        return mapping(pair for body in bodies for pair in body.held)

    def _call(self, node: Call, env: Env) -> Seen:
        special = {
            "@in": self._in,
            "_[_]": self._index,
            "_[?_]": self._optional_index,
            "dyn": self._dyn,
            "or": self._alternative,
            "orValue": self._alternative,
        }
        if node.function in special:
            return special[node.function](node, env)
        arguments = [self.value(argument, env) for argument in node.arguments]
        return FUNCTIONS[node.function](*arguments)

    def _alternative(self, node: Call, env: Env) -> Seen:
        optional = self.value(node.arguments[0], env)
        if optional.kind != "optional":
            raise UnknownError
        if optional.held is not None:
            return optional if node.function == "or" else optional.held  # type: ignore[no-any-return]
        return self.value(node.arguments[1], env)

    def _dyn(self, node: Call, env: Env) -> Seen:
        seen = self.seen(node.arguments[0], env)
        value = self.value(node.arguments[0], env)
        return Partial(value, seen.path) if isinstance(seen, Partial) else value

    def _index(self, node: Call, env: Env) -> Seen:
        seen, key = self.seen(node.arguments[0], env), self.value(node.arguments[1], env)
        held = seen.value if isinstance(seen, Partial) else seen
        if held.kind == "optional":
            return _element_of_optional(held, key)
        if not (isinstance(seen, Partial) and held.kind == "map" and key.kind == "string"):
            self.value(node.arguments[0], env)  # a list is indexed only when all of it is known
        value = _element(held, key)
        if value is None:
            raise UnknownError
        return Partial(value, seen.path) if isinstance(seen, Partial) else value

    def _optional_index(self, node: Call, env: Env) -> Seen:
        seen, key = self.seen(node.arguments[0], env), self.value(node.arguments[1], env)
        held = seen.value if isinstance(seen, Partial) else seen
        return self._known(_element_of_optional(some(held) if held.kind != "optional" else held, key), seen, "")

    def _in(self, node: Call, env: Env) -> Seen:
        element, seen = self.value(node.arguments[0], env), self.seen(node.arguments[1], env)
        held = seen.value if isinstance(seen, Partial) else seen
        if held.kind not in COLLECTIONS:
            raise UnknownError
        items = held.held if held.kind == "list" else [key for key, _ in held.held]
        if any(equal(element, item) for item in items):
            return boolean(True)
        if isinstance(seen, Partial) and not self.complete(seen.path):
            raise UnknownError
        return boolean(False)


def _plain(seen: Seen) -> Value:
    return seen.value if isinstance(seen, Partial) else seen


def _held(optional: Value) -> list[Value]:
    if optional.kind != "optional":
        raise UnknownError
    return [] if optional.held is None else [optional.held]


def _field(held: Value, name: str) -> Value:
    value = found(held.held, text(name)) if held.kind == "map" else None
    if value is None:
        raise UnknownError
    return value


def _optional_field(held: Value, name: str) -> Value:
    if held.kind == "optional":
        return NOTHING if held.held is None else _optional_field(held.held, name)
    if held.kind != "map":
        raise UnknownError
    value = found(held.held, text(name))
    return NOTHING if value is None else some(value)


def _element(held: Value, key: Value) -> Value | None:
    """Return the element, None where there is none; raises UnknownError for a key of the wrong type."""
    if held.kind == "map" and key.kind in ("bool", "int", "uint", "double", "string"):
        return found(held.held, key)
    if held.kind != "list" or key.kind not in ("int", "uint", "double") or key.held != int(key.held):
        raise UnknownError
    return held.held[int(key.held)] if 0 <= key.held < len(held.held) else None


def _element_of_optional(optional: Value, key: Value) -> Value:
    if optional.held is None:
        return NOTHING
    value = _element(optional.held, key)
    return NOTHING if value is None else some(value)


KEY_ORDER = {"bool": 0, "int": 1, "uint": 1, "string": 2}


def _rounds(node: Comprehension, seen: Seen) -> list[dict[str, Callable[[], Seen]]]:
    held = _plain(seen)
    if held.kind not in COLLECTIONS:
        raise UnknownError
    rows: list[tuple[Any, ...]] = (
        [(number(at), item) for at, item in enumerate(held.held)]
        if held.kind == "list"
        else sorted(held.held, key=lambda pair: (KEY_ORDER[pair[0].kind], pair[0].held))
    )
    if len(node.variables) == 1:
        rows = [row[1:] if held.kind == "list" else row[:1] for row in rows]

    def bound(value: Value) -> Callable[[], Seen]:
        return (lambda: Partial(value, seen.path)) if isinstance(seen, Partial) else (lambda: value)

    return [{name: bound(value) for name, value in zip(node.variables, row, strict=True)} for row in rows]
