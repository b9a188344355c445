"""Random typed conditions and random facts with absences, from a seeded `random.Random` or from Hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random

from policyengine.model.expression import Node
from policyengine.model.types import BOOL, DOUBLE, DURATION, INT, STRING, TIMESTAMP, VERSION, Type, list_of, map_of
from tests.support import ir

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TEXTS = ("", "a", "ab", "production", "locked", "é\U0001f600", "￿")
INTEGERS = (-(2**53) + 1, -7, -1, 0, 1, 2, 3, 22, 443, 2**53 - 1)
WIDE = (2**62, -(2**62), 2**63 - 1, -(2**63))
DOUBLES = (-1.5, 0.0, 0.5, 2.0, 1e300)
VERSIONS = ("1.0.0", "1.2.3", "2.0.0", "10.0.1", "not a version")
LENGTHS = (timedelta(), timedelta(hours=1), timedelta(days=40), timedelta(seconds=90))
MOMENTS = (NOW, NOW + timedelta(hours=1), NOW - timedelta(days=30), datetime(9999, 12, 31, tzinfo=UTC))

_Scope = Mapping[str, Type]


class Rules:
    """Draws conditions; `depth` bounds nesting."""

    def __init__(self, random: Random) -> None:
        self._random, self._names = random, 0

    def condition(self, depth: int = 4) -> Node:
        return self.node(BOOL, depth, {})

    def node(self, kind: Type, depth: int, scope: _Scope) -> Node:
        makers = self._leaves(kind, scope)
        if depth > 0 and (not makers or self._random.random() < 0.8):
            makers = self._branches(kind, depth - 1, scope) or makers
        return self._random.choice(makers)()

    def _leaves(self, kind: Type, scope: _Scope) -> list[Callable[[], Node]]:
        makers: list[Callable[[], Node]] = [
            lambda path=path: ir.fact(path) for path, own in ir.FACT_TYPES.items() if own == kind
        ] * 2
        makers += [lambda name=name: ir.var(name, kind) for name, own in scope.items() if own == kind]
        for name, own in scope.items():
            if own == ir.COMPONENT:
                makers += [lambda n=name, f=f: ir.field(n, f) for f, inner in ir.FIELD_TYPES.items() if inner == kind]
        constants: Mapping[Type, Callable[[], Node]] = {
            BOOL: lambda: ir.lit(self._random.random() < 0.5),
            INT: lambda: ir.lit(self._random.choice(INTEGERS + WIDE)),
            DOUBLE: lambda: ir.lit(self._random.choice(DOUBLES)),
            STRING: lambda: ir.lit(self._random.choice(TEXTS)),
            DURATION: lambda: ir.duration(self._random.choice(("0s", "1h", "90s", "960h"))),
            TIMESTAMP: lambda: ir.now,
            list_of(INT): lambda: ir.list_(*(ir.lit(self._random.choice(INTEGERS)) for _ in range(3))),
            list_of(STRING): lambda: ir.list_(*(ir.lit(self._random.choice(TEXTS)) for _ in range(3))),
        }
        if kind in constants:
            makers.append(constants[kind])
        return makers

    def _branches(self, kind: Type, depth: int, scope: _Scope) -> list[Callable[[], Node]]:
        def n(inner: Type) -> Node:
            return self.node(inner, depth, scope)

        if kind == BOOL:
            return self._booleans(depth, scope)
        common: list[Callable[[], Node]] = [
            lambda: ir.if_(n(BOOL), n(kind), n(kind)),
            lambda: self._let(kind, depth, scope),
        ]
        special: Mapping[Type, list[Callable[[], Node]]] = {
            INT: [
                lambda: ir.call(INT, self._random.choice(("_+_", "_-_", "_*_", "_/_", "_%_")), n(INT), n(INT)),
                lambda: ir.call(INT, "-_", n(INT)),
                lambda: ir.size(n(self._random.choice((list_of(INT), list_of(STRING), STRING)))),
                lambda: ir.call(INT, "_[_]", n(list_of(INT)), n(INT)),
            ],
            DOUBLE: [lambda: ir.call(DOUBLE, self._random.choice(("_+_", "_-_", "_*_")), n(DOUBLE), n(DOUBLE))],
            STRING: [
                lambda: ir.call(STRING, "_+_", n(STRING), n(STRING)),
                lambda: ir.call(STRING, "string", n(self._random.choice((BOOL, INT)))),
                lambda: ir.call(STRING, "_[_]", ir.fact("device.labels"), n(STRING)),
            ],
            TIMESTAMP: [
                lambda: ir.plus(n(TIMESTAMP), n(DURATION)),
                lambda: ir.minus(n(TIMESTAMP), n(DURATION)),
            ],
            DURATION: [
                lambda: ir.minus(n(TIMESTAMP), n(TIMESTAMP)),
                lambda: ir.plus(n(DURATION), n(DURATION)),
                lambda: ir.minus(n(DURATION), n(DURATION)),
            ],
            list_of(INT): [
                lambda: self._derived(ir.filter_, list_of(INT), BOOL, depth, scope),
                lambda: self._derived(ir.map_, list_of(INT), INT, depth, scope),
            ],
            list_of(STRING): [lambda: self._derived(ir.filter_, list_of(STRING), BOOL, depth, scope)],
        }
        return special.get(kind, []) + common if kind in special else []

    def _booleans(self, depth: int, scope: _Scope) -> list[Callable[[], Node]]:
        def n(inner: Type) -> Node:
            return self.node(inner, depth, scope)

        def several() -> list[Node]:
            return [n(BOOL) for _ in range(self._random.choice((2, 2, 3)))]

        ordered = (INT, STRING, DOUBLE, TIMESTAMP, DURATION)
        comparisons = (ir.eq, ir.ne, ir.lt, ir.le, ir.gt, ir.ge)

        def compared() -> Node:
            kind = self._random.choice(ordered)
            return self._random.choice(comparisons)(n(kind), n(kind))

        return [
            lambda: ir.and_(*several()),
            lambda: ir.or_(*several()),
            lambda: ir.not_(n(BOOL)),
            lambda: ir.if_(n(BOOL), n(BOOL), n(BOOL)),
            compared,
            compared,
            lambda: self._random.choice((ir.eq, ir.ne))(n(BOOL), n(BOOL)),
            lambda: ir.eq(n(list_of(INT)), n(list_of(INT))),
            lambda: ir.in_(n(INT), n(list_of(INT))),
            lambda: ir.in_(n(STRING), n(list_of(STRING))),
            lambda: ir.in_(n(STRING), ir.fact("device.labels")),
            lambda: ir.call(BOOL, self._random.choice(("startsWith", "endsWith", "contains")), n(STRING), n(STRING)),
            lambda: ir.has(self._random.choice(tuple(path for path in ir.FACT_TYPES if "." in path))),
            lambda: ir.has(f"device.labels.{self._random.choice(('a', 'ab'))}"),
            lambda: self._derived(
                self._random.choice((ir.all_, ir.exists, ir.exists_one)), list_of(INT), BOOL, depth, scope
            ),
            lambda: self._derived(self._random.choice((ir.all_, ir.exists)), list_of(STRING), BOOL, depth, scope),
            lambda: self._components(depth, scope),
            lambda: self._components(depth, scope),
            lambda: self._random.choice((ir.at_least, ir.below))(n(VERSION), self._random.choice(VERSIONS[:4])),
            lambda: self._let(BOOL, depth, scope),
        ]

    def _fresh(self) -> str:
        self._names += 1
        return self._random.choice(("x", "y", f"v{self._names}"))  # short names shadow each other

    def _derived(self, macro: Callable[..., Node], over: Type, body: Type, depth: int, scope: _Scope) -> Node:
        name = self._fresh()
        return macro(self.node(over, depth, scope), name, self.node(body, depth, {**scope, name: over.parameters[0]}))

    def _components(self, depth: int, scope: _Scope) -> Node:
        name, inner = self._fresh(), {**scope}
        inner[name] = ir.COMPONENT
        body = self.node(BOOL, depth, inner)
        if self._random.random() < 0.2:
            body = ir.has_field(name, self._random.choice(tuple(ir.FIELD_TYPES)))
        return self._random.choice((ir.all_, ir.exists, ir.exists_one))(ir.fact("software"), name, body)

    def _let(self, kind: Type, depth: int, scope: _Scope) -> Node:
        name, inner = self._fresh(), self._random.choice((BOOL, INT, STRING, list_of(INT), DURATION))
        return ir.let(name, self.node(inner, depth, scope), self.node(kind, depth, {**scope, name: inner}))


def facts(random: Random, missing: float) -> dict[str, object]:
    """Return well-typed facts of which each is absent with probability `missing`."""
    made: dict[str, object] = {}
    for path, kind in ir.FACT_TYPES.items():
        if random.random() >= missing:
            _put(made, path.split("."), value(random, kind, missing))
    return made


def _put(made: dict[str, object], steps: list[str], content: object) -> None:
    for step in steps[:-1]:
        made = made.setdefault(step, {})  # type: ignore[assignment]
    made[steps[-1]] = content


def value(random: Random, kind: Type, missing: float) -> object:
    """Return a random value of type `kind`."""
    if kind == ir.COMPONENT:
        return {name: value(random, own, 0) for name, own in ir.FIELD_TYPES.items() if random.random() >= missing}
    if kind == map_of(STRING, STRING):
        return {random.choice(("a", "ab", "")): random.choice(TEXTS) for _ in range(random.randrange(3))}
    if kind.parameters:
        return tuple(value(random, kind.parameters[0], missing) for _ in range(random.randrange(4)))
    choices: Mapping[Type, tuple[object, ...]] = {
        BOOL: (True, False),
        INT: INTEGERS,
        DOUBLE: DOUBLES,
        STRING: TEXTS,
        TIMESTAMP: MOMENTS,
        DURATION: LENGTHS,
        VERSION: VERSIONS,
    }
    return random.choice(choices[kind])
