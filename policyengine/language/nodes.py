"""YAML as values with places: what the reader returns and every later step works on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policyengine.model.policy import Place

Atom = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `index` is the character offset of its first character in the file."""

    line: int
    column: int
    index: int
    value: Atom


@dataclass(frozen=True, slots=True)
class Items:
    """A YAML sequence."""

    line: int
    column: int
    items: tuple[YamlNode, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """A YAML mapping with string keys; `keys` says where each key stands."""

    line: int
    column: int
    entries: Mapping[str, YamlNode]
    keys: Mapping[str, Scalar]


YamlNode = Scalar | Items | Fields
Step = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document of a file. `source` is the file's text, for places inside a scalar.

    `cut` says that reading stopped inside it, so that what is missing may stand in the rest.
    """

    file: str
    source: str
    root: YamlNode
    cut: bool = False

    def place(self, node: YamlNode) -> Place:
        """Return where `node` stands."""
        return Place(file=self.file, line=node.line, column=node.column)


def plain(node: YamlNode) -> object:
    """Return `node` as dict, list, str, int, float, bool or None."""
    match node:
        case Scalar():
            return node.value
        case Items():
            return [plain(item) for item in node.items]
        case Fields():
            return {key: plain(value) for key, value in node.entries.items()}


def at(node: YamlNode, *path: Step) -> YamlNode | None:
    """Return the node below `node` at `path`, or None when there is none."""
    found: YamlNode | None = node
    for step in path:
        if isinstance(found, Fields) and isinstance(step, str):
            found = found.entries.get(step)
        elif isinstance(found, Items) and isinstance(step, int) and 0 <= step < len(found.items):
            found = found.items[step]
        else:
            return None
    return found


def fields(node: YamlNode, *path: Step) -> Fields:
    """Return the mapping at `path`, empty and standing at `node` when there is none."""
    found = at(node, *path)
    return found if isinstance(found, Fields) else Fields(node.line, node.column, {}, {})


def items(node: YamlNode, *path: Step) -> tuple[YamlNode, ...]:
    """Return the items of the list at `path`; none when there is no list."""
    found = at(node, *path)
    return found.items if isinstance(found, Items) else ()


def scalars(node: YamlNode, *path: Step) -> Iterator[Scalar]:
    """Yield the scalars of the list at `path`; nothing when there is no list."""
    return (item for item in items(node, *path) if isinstance(item, Scalar))


def text(node: YamlNode, *path: Step) -> str | None:
    """Return the string at `path`, or None when there is none."""
    found = at(node, *path)
    return found.value if isinstance(found, Scalar) and isinstance(found.value, str) else None


def texts(node: YamlNode, *path: Step) -> tuple[str, ...]:
    """Return the strings of the list at `path`."""
    return tuple(one.value for one in scalars(node, *path) if isinstance(one.value, str))
