"""The operands of `&&`, `||` and `?:` in a condition, closed so that each can be judged on its own.

An operand matters where nothing beside it has decided already: no sibling of `&&` is false, none of `||` is true, and
no `?:` took its other branch. A test that has not seen an operand both true and false where it matters would not
notice its removal. Inside a macro an operand counts for an element; there its siblings are not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from policyengine.analysis.rewriting import Path, first_offset, let_of
from policyengine.model.expression import (
    And,
    Bind,
    Call,
    Comprehension,
    Conditional,
    Macro,
    Node,
    Or,
    children,
)
from policyengine.model.types import BOOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What keeps an operand from mattering: the operand at `path` being `decided` (True or False)."""

    path: Path
    decided: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """One operand: `node` as it stands, and the conditions by which it is seen.

    `true` holds exactly where it is seen true and `false` where it is seen false: outside macros the operand itself
    and its negation, inside one whether any element makes it so. `let` names the let in whose text it stands; `offset`
    counts characters of that text, else of the rule's.
    """

    path: Path
    node: Node
    true: Node
    false: Node
    guards: tuple[Guard, ...]
    let: str | None
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What stands around a part: Binds and macros, outermost first, and what decides beside it."""

    around: tuple[Bind | Comprehension, ...] = ()
    guards: tuple[Guard, ...] = ()
    path: Path = ()
    root: Node = field(kw_only=True)

    def at(self, position: int) -> _Scope:
        return replace(self, path=(*self.path, position))

    def under(self, node: Bind | Comprehension) -> _Scope:
        guards = self.guards if isinstance(node, Bind) else ()
        return replace(self, around=(*self.around, node), guards=guards)

    def beside(self, *guards: Guard) -> _Scope:
        inside_macro = any(isinstance(node, Comprehension) for node in self.around)
        return self if inside_macro else replace(self, guards=(*self.guards, *guards))


def operands_of(condition: Node) -> tuple[Operand, ...]:
    """Return the operands in `condition`, outer ones first; none where it has no `&&`, `||` or `?:`."""
    return tuple(_operands(condition, _Scope(root=condition)))


def _operands(node: Node, scope: _Scope) -> Iterator[Operand]:
    match node:
        case And() | Or():
            yield from _junction(node, scope)
        case Conditional():
            yield from _choice(node, scope)
        case Bind():
            yield from _operands(node.value, replace(scope.at(0), guards=()))
            yield from _operands(node.body, scope.at(1).under(node))
        case Comprehension():
            yield from _operands(node.range, scope.at(0))
            for position, part in enumerate(children(node)[1:], 1):
                yield from _operands(part, scope.at(position).under(node))
        case _:
            for position, child in enumerate(children(node)):
                yield from _operands(child, scope.at(position))


def _junction(node: And | Or, scope: _Scope) -> Iterator[Operand]:
    decided = isinstance(node, Or)
    for position, operand in enumerate(node.operands):
        siblings = (other for other in range(len(node.operands)) if other != position)
        inner = scope.beside(*(Guard(path=(*scope.path, other), decided=decided) for other in siblings)).at(position)
        yield _operand(operand, inner)
        yield from _operands(operand, inner)


def _choice(node: Conditional, scope: _Scope) -> Iterator[Operand]:
    yield _operand(node.condition, scope.at(0))
    yield from _operands(node.condition, scope.at(0))
    chosen = (*scope.path, 0)
    yield from _operands(node.then, scope.beside(Guard(path=chosen, decided=False)).at(1))
    yield from _operands(node.otherwise, scope.beside(Guard(path=chosen, decided=True)).at(2))


def _operand(node: Node, scope: _Scope) -> Operand:
    negated = Call(function="!_", arguments=(node,), type=BOOL, overload="logical_not")
    return Operand(
        path=scope.path,
        node=node,
        true=_closed(node, scope.around),
        false=_closed(negated, scope.around),
        guards=scope.guards,
        let=let_of(scope.root, scope.path),
        offset=first_offset(node),
    )


def _closed(node: Node, around: tuple[Bind | Comprehension, ...]) -> Node:
    """Return `node` with all its names bound: by Binds, and by asking whether any element makes it true."""
    for outer in reversed(around):
        match outer:
            case Bind():
                node = replace(outer, body=node, type=BOOL)
            case Comprehension():
                node = replace(outer, macro=Macro.EXISTS, body=node, condition=None, type=BOOL)
    return node
