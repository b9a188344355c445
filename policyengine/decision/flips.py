"""When a condition that reads `now` changes its answer, although no fact changes.

A comparison that is linear in `now`, such as `cert.not_after - now > duration("48h")`, flips at one moment, computed
here as the sum of its other terms. Any other use of `now` has no such moment; program.py then asks again after a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policyengine.decision.emitter import Emitter
from policyengine.model.expression import Bind, Call, Comprehension, Node, Now, Variable, children, walk
from policyengine.model.types import Kind

_COMPARISONS = frozenset({"_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"})
_TIMES = frozenset({Kind.TIMESTAMP, Kind.DURATION})

_Env = tuple[tuple[str, Node | None], ...]  # enclosing names, innermost last; None: an element of a comprehension


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as a sum: `plus` and `minus` are expressions of type timestamp or duration that do not read `now`."""

    plus: tuple[Node, ...]
    minus: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class _Linear:
    """`weight * now` plus signed terms."""

    weight: int
    terms: tuple[tuple[int, Node], ...]

    def plus(self, other: _Linear, sign: int) -> _Linear:
        signed = tuple((sign * own, node) for own, node in other.terms)
        return _Linear(self.weight + sign * other.weight, self.terms + signed)


def moments(node: Node) -> tuple[Moment, ...]:
    """Return the moments at which comparisons with `now` inside `node` flip."""
    return tuple(found for found in _found(node, ()) if found is not None)


def opaque(node: Node) -> bool:
    """Return whether `node` reads `now` in a way whose changes cannot be foreseen."""
    return any(found is None for found in _found(node, ()))


def _found(node: Node, env: _Env) -> Iterator[Moment | None]:
    """Yield a Moment per foreseeable comparison, and None per use of `now` that is not foreseeable."""
    match node:
        case Now():
            yield None
        case Variable():
            value, outer = _bound(node.name, env)
            if value is not None:
                yield from _found(value, outer)
        case Bind():
            yield from _found(node.body, (*env, (node.name, node.value)))
        case Comprehension():
            yield from _found(node.range, env)
            inner = env + tuple((name, None) for name in node.variables)
            for part in children(node)[1:]:
                yield from _found(part, inner)
        case Call() if node.function in _COMPARISONS and _reads_now(node, env):
            yield from _compared(node, env)
        case _:
            for child in children(node):
                yield from _found(child, env)


def _compared(node: Call, env: _Env) -> Iterator[Moment | None]:
    left, right = (_linear(side, env) for side in node.arguments)
    if left is None or right is None:
        yield None
        return
    difference = left.plus(right, -1)
    if difference.weight in (1, -1):  # weight * now + terms = 0
        signed = [(-difference.weight * sign, term) for sign, term in difference.terms]
        plus, minus = (tuple(term for sign, term in signed if sign == wanted) for wanted in (1, -1))
        yield Moment(plus, minus)
    elif difference.weight:
        yield None


def _linear(node: Node, env: _Env) -> _Linear | None:
    """Return timestamp or duration `node` as a sum, or None if it is not one."""
    if isinstance(node, Now):
        return _Linear(1, ())
    if isinstance(node, Variable):
        value, outer = _bound(node.name, env)
        return None if value is None else _linear(value, outer)
    if isinstance(node, Call) and node.function in ("_+_", "_-_"):
        left, right = (_linear(side, env) for side in node.arguments)
        return None if left is None or right is None else left.plus(right, 1 if node.function == "_+_" else -1)
    if node.type.kind not in _TIMES or _reads_now(node, env):
        return None
    closed = _closed(node, env)
    return None if closed is None else _Linear(0, ((1, closed),))


def _closed(node: Node, env: _Env) -> Node | None:
    """Return `node` with the `let`s it reads around it, or None if it reads an element of a comprehension."""
    for at in range(len(env) - 1, -1, -1):
        name, value = env[at]
        if any(isinstance(found, Variable) and found.name == name for found in walk(node)):
            if value is None:
                return None
            node = Bind(type=node.type, name=name, value=value, body=node)
    return node


def _bound(name: str, env: _Env) -> tuple[Node | None, _Env]:
    for at in range(len(env) - 1, -1, -1):
        if env[at][0] == name:
            return env[at][1], env[:at]
    return None, ()


def _reads_now(node: Node, env: _Env) -> bool:
    for found in walk(node):
        if isinstance(found, Now):
            return True
        if isinstance(found, Variable):
            value, outer = _bound(found.name, env)
            if value is not None and _reads_now(value, outer):
                return True
    return False


def source(emitter: Emitter, moment: Moment) -> str:
    """Return source for `moment`: times first, alternately added and taken away, then durations."""
    signed = [(1, node) for node in moment.plus] + [(-1, node) for node in moment.minus]
    times = [(sign, node) for sign, node in signed if node.type.kind is Kind.TIMESTAMP]
    added, taken = ([term for term in times if term[0] == sign] for sign in (1, -1))
    ordered = [term for at in range(len(times)) for term in (added[at : at + 1] + taken[at : at + 1])]
    ordered += [(sign, node) for sign, node in signed if node.type.kind is not Kind.TIMESTAMP]
    text = emitter.expression(ordered[0][1], {})
    for sign, node in ordered[1:]:
        text = f"({text} {'+' if sign > 0 else '-'} {emitter.expression(node, {})})"
    return text
