"""Expressions with a part replaced; paths name parts by their positions among `children`, from the top."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from policyengine.model.expression import (
    And,
    Bind,
    Call,
    Comprehension,
    Conditional,
    Has,
    ListOf,
    MapOf,
    Node,
    Or,
    Select,
    children,
)

Path = tuple[int, ...]


def with_children(node: Node, parts: tuple[Node, ...]) -> Node:
    """Return `node` with `parts` for its children; the inverse of `children`, which must have as many."""
    match node:
        case Select() | Has():
            return replace(node, operand=parts[0])
        case Call():
            return replace(node, arguments=parts)
        case And() | Or():
            return replace(node, operands=parts)
        case Conditional():
            return replace(node, condition=parts[0], then=parts[1], otherwise=parts[2])
        case ListOf():
            return replace(node, items=parts)
        case MapOf():
            return replace(node, entries=tuple(zip(parts[::2], parts[1::2], strict=True)))
        case Comprehension():
            condition = parts[1] if node.condition is not None else None
            return replace(node, range=parts[0], condition=condition, body=parts[-1])
        case Bind():
            return replace(node, value=parts[0], body=parts[1])
        case _:
            return node


def replaced(node: Node, path: Path, part: Node) -> Node:
    """Return `node` with `part` at `path`."""
    if not path:
        return part
    parts = list(children(node))
    parts[path[0]] = replaced(parts[path[0]], path[1:], part)
    return with_children(node, tuple(parts))


def parts_of(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Yield every part of `node` with its path, parents first."""
    yield path, node
    for position, child in enumerate(children(node)):
        yield from parts_of(child, (*path, position))


def let_of(node: Node, path: Path) -> str | None:
    """Return the name of the let in whose text the part at `path` stands, None for the rule's own text."""
    found, inside = node, None
    for step in path:
        if isinstance(found, Bind) and found.name.startswith("let.") and step == 0:
            inside = found.name.removeprefix("let.")
        found = children(found)[step]
    return inside


def first_offset(node: Node) -> int:
    """Return where the text of `node` starts: the least offset of its parts that stand in the same text."""
    if isinstance(node, Bind) and node.name.startswith("let."):
        return first_offset(node.body)
    return min([node.offset, *map(first_offset, children(node))])
