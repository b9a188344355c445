"""The condition language after type checking: nodes only, no evaluation.

Every engine (generated Python, columns, SQL, SMT) translates from here and from nowhere else. A node is CEL with its
macros recognised again: `has`, `all`, `exists`, `exists_one`, `map`, `filter`, `cel.bind`. `offset` is the character
offset in the rule's source text (inside the Bind of a let: in the let's text), for messages; it does not take part in
equality. It points at an operator, at a function's or field's name, or at the first character of anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from policyengine.model.types import Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What all nodes have: the checked type, and where the node stands in the source."""

    type: Type
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Node):
    """A constant; `value` has the Python type of `type` (timestamps and durations are calls over string literals).

    A type as a value, such as `int`, has the type TYPE and its name as `value`.
    """

    value: bool | int | float | str | bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Node):
    """A fact by its path: `("boot", "secure")`, or a whole group `("boot",)`."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Now(Node):
    """The time of the decision (aware UTC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Param(Node):
    """`params.NAME`: a value that each binding sets."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Node):
    """A name bound by an enclosing Comprehension or Bind (or declared by the caller in plain CEL)."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Node):
    """`operand.name` on a structure or map; `optional` is CEL's `operand.?name`."""

    operand: Node
    name: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Has(Node):
    """`has(operand.name)`."""

    operand: Node
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    """A function or operator by its CEL name (`_==_`, `_>=_`, `_+_`, `!_`, `-_`, `@in`, `_[_]`, `_[?_]`, `startsWith`,
    `matches`, `duration`, `atLeast`, ...) with the receiver, if any, as first argument.

    `&&`, `||`, `?:` are nodes of their own, because they absorb errors. Functions of a library keep its name
    (`math.@max`, `optional.of`). `overload` is CEL's id of the one form that the types allow, or empty.
    """

    function: str
    arguments: tuple[Node, ...]
    overload: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class And(Node):
    """Conjunction of two or more operands; false wins over unknown."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or(Node):
    """Disjunction of two or more operands; true wins over unknown."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional(Node):
    """`condition ? then : otherwise`; an unknown condition makes the whole unknown."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Node):
    """A list literal; `optional` holds the indices written `?item`."""

    items: tuple[Node, ...]
    optional: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf(Node):
    """A map literal in source order; `optional` holds the indices of entries written `?key: value`."""

    entries: tuple[tuple[Node, Node], ...]
    optional: frozenset[int] = frozenset()


class Macro(Enum):
    """The comprehensions that CEL's macros stand for."""

    ALL = "all"
    EXISTS = "exists"
    EXISTS_ONE = "exists_one"
    MAP = "map"
    FILTER = "filter"
    TRANSFORM_LIST = "transformList"
    TRANSFORM_MAP = "transformMap"
    TRANSFORM_MAP_ENTRY = "transformMapEntry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comprehension(Node):
    """A macro over a list or map: one or two `variables`, an optional `condition` (filter part), and a `body`.

    FILTER has its predicate in `body` and no `condition`; the three-argument forms of MAP and TRANSFORM_* have both.
    """

    macro: Macro
    range: Node
    variables: tuple[str, ...]
    body: Node
    condition: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind(Node):
    """`cel.bind(name, value, body)`, and a rule's `let`."""

    name: str
    value: Node
    body: Node


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct operands of `node`, in source order."""
    match node:
        case Select() | Has():
            return (node.operand,)
        case Call():
            return node.arguments
        case And() | Or():
            return node.operands
        case Conditional():
            return (node.condition, node.then, node.otherwise)
        case ListOf():
            return node.items
        case MapOf():
            return tuple(part for entry in node.entries for part in entry)
        case Comprehension():
            middle = () if node.condition is None else (node.condition,)
            return (node.range, *middle, node.body)
        case Bind():
            return (node.value, node.body)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything below it, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def facts_read(node: Node) -> frozenset[tuple[str, ...]]:
    """Return the paths of all facts that `node` reads."""
    return frozenset(found.path for found in walk(node) if isinstance(found, Fact))
