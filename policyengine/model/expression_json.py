"""Expressions as JSON documents and back, exactly: what a bundle stores and its digest covers.

Offsets are left out: they would make the digest depend on white space. Integers beyond 2^53 - 1 and all doubles are
text, so that the document is canonical JSON (RFC 8785) and nothing is rounded; bytes are base64url.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from policyengine.model.base64url import base64url
from policyengine.model.canonical import MAX_INTEGER
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
from policyengine.model.type_json import ExpressionDocumentError, type_from_document, type_to_document
from policyengine.model.types import Kind, Type

__all__ = ["MAX_DEPTH", "ExpressionDocumentError", "from_document", "to_document"]

MAX_DEPTH = 192  # steps; cel-cpp's 32 levels, their macros and 64 lets stay below, Python's stack well above
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the document the reader is."""

    path: str = "expression"
    depth: int = 0

    def below(self, step: object) -> _Place:
        return _Place(f"{self.path}.{step}", self.depth + 1)

    def error(self, message: str) -> ExpressionDocumentError:
        return ExpressionDocumentError(message, path=self.path)


@dataclass(frozen=True, slots=True)
class _Form:
    """How one attribute is written and read; `absent` holds the default that is left out, if there is one."""

    write: Callable[[Any], object]
    read: Callable[[Any, _Place], Any]
    absent: tuple[object, ...] = ()


def to_document(node: Node) -> dict[str, object]:
    """Return `node` as a JSON document (without offsets); attributes with their default are left out."""
    name, attributes = _BY_CLASS[type(node)]
    document: dict[str, object] = {"node": name, "type": type_to_document(node.type)}
    if isinstance(node, Literal):
        return document | {"value": _written_value(node)}
    for attribute, form in attributes.items():
        value = getattr(node, attribute)
        if value not in form.absent:
            document[attribute] = form.write(value)
    return document


def from_document(document: object) -> Node:
    """Return the node that `document` stands for, with offsets 0.

    Raises ExpressionDocumentError for anything that `to_document` would not have written.
    """
    node = _read_node(document, _Place())
    if to_document(node) != document:
        raise _Place().error("the document is not in its one form")
    return node


def _read_node(document: object, at: _Place) -> Node:
    if at.depth > MAX_DEPTH:
        raise at.error("expression nests too deeply")
    if not isinstance(document, dict) or not {"node", "type"} <= document.keys():
        raise at.error("a node is an object with `node` and `type`")
    found = _BY_NAME.get(document["node"]) if isinstance(document["node"], str) else None
    if found is None:
        raise at.error("no such node")
    kind = type_from_document(document["type"], f"{at.path}.type")
    given = {key: value for key, value in document.items() if key not in ("node", "type")}
    return found[0](type=kind, **_read_attributes(found, kind, given, at))


def _read_attributes(found: _Entry, kind: Type, given: Mapping[str, object], at: _Place) -> dict[str, Any]:
    made, attributes = found
    if made is Literal:
        attributes = {"value": _Form(_same, lambda value, place: _read_value(kind, value, place))}
    required = {attribute for attribute, form in attributes.items() if not form.absent}
    if not required <= given.keys() <= attributes.keys():
        raise at.error("a node has missing or unknown attributes")
    return {name: attributes[name].read(value, at.below(name)) for name, value in given.items()}


def _same(value: object) -> object:
    return value


def _read_text(value: object, at: _Place) -> str:
    if not isinstance(value, str):
        raise at.error("expected a text")
    return value


def _read_true(value: object, at: _Place) -> bool:
    if value is not True:
        raise at.error("expected true")
    return True


def _read_list(value: object, at: _Place, minimum: int = 0) -> list[object]:
    if not isinstance(value, list) or len(value) < minimum:
        raise at.error(f"expected a list of at least {minimum}")
    return value


def _read_texts(value: object, at: _Place) -> tuple[str, ...]:
    return tuple(_read_text(each, at) for each in _read_list(value, at, 1))


def _read_nodes(value: object, at: _Place) -> tuple[Node, ...]:
    return tuple(_read_node(each, at.below(index)) for index, each in enumerate(_read_list(value, at)))


def _read_operands(value: object, at: _Place) -> tuple[Node, ...]:
    return _read_nodes(_read_list(value, at, 2), at)


def _read_entries(value: object, at: _Place) -> tuple[tuple[Node, Node], ...]:
    entries = []
    for index, each in enumerate(_read_list(value, at)):
        pair = _read_nodes(each, at.below(index))
        if len(pair) != 2:
            raise at.error("a map entry is a key and a value")
        entries.append((pair[0], pair[1]))
    return tuple(entries)


def _read_indices(value: object, at: _Place) -> frozenset[int]:
    found = _read_list(value, at, 1)
    if any(type(index) is not int or index < 0 for index in found):
        raise at.error("expected indices")
    return frozenset(index for index in found if isinstance(index, int))


def _read_macro(value: object, at: _Place) -> Macro:
    try:
        return Macro(value)
    except ValueError as cause:
        raise at.error("no such macro") from cause


def _read_variables(value: object, at: _Place) -> tuple[str, ...]:
    names = _read_texts(value, at)
    if len(names) > 2:
        raise at.error("a macro has one variable or two")
    return names


_TEXT = _Form(_same, _read_text)
_TEXTS = _Form(list, _read_texts)
_TRUE = _Form(_same, _read_true, (False,))
_OVERLOAD = _Form(_same, _read_text, ("",))
_NODE = _Form(to_document, _read_node)
_CONDITION = _Form(to_document, _read_node, (None,))
_NODES = _Form(lambda nodes: [to_document(node) for node in nodes], _read_nodes)
_OPERANDS = _Form(_NODES.write, _read_operands)
_ENTRIES = _Form(lambda entries: [[to_document(part) for part in entry] for entry in entries], _read_entries)
_INDICES = _Form(sorted, _read_indices, (frozenset(),))

_Entry = tuple[type[Node], Mapping[str, _Form]]
_BY_NAME: Mapping[str, _Entry] = {
    "literal": (Literal, {}),
    "fact": (Fact, {"path": _TEXTS}),
    "now": (Now, {}),
    "param": (Param, {"name": _TEXT}),
    "variable": (Variable, {"name": _TEXT}),
    "select": (Select, {"operand": _NODE, "name": _TEXT, "optional": _TRUE}),
    "has": (Has, {"operand": _NODE, "name": _TEXT}),
    "call": (Call, {"function": _TEXT, "arguments": _NODES, "overload": _OVERLOAD}),
    "and": (And, {"operands": _OPERANDS}),
    "or": (Or, {"operands": _OPERANDS}),
    "if": (Conditional, {"condition": _NODE, "then": _NODE, "otherwise": _NODE}),
    "list": (ListOf, {"items": _NODES, "optional": _INDICES}),
    "map": (MapOf, {"entries": _ENTRIES, "optional": _INDICES}),
    "macro": (
        Comprehension,
        {
            "macro": _Form(lambda macro: macro.value, _read_macro),
            "range": _NODE,
            "variables": _Form(list, _read_variables),
            "condition": _CONDITION,
            "body": _NODE,
        },
    ),
    "bind": (Bind, {"name": _TEXT, "value": _NODE, "body": _NODE}),
}
_BY_CLASS = {made: (name, attributes) for name, (made, attributes) in _BY_NAME.items()}


def _written_value(literal: Literal) -> object:
    value = literal.value
    if isinstance(value, bytes):
        return base64url(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_INTEGER:
        return str(value)
    return value


def _read_value(kind: Type, value: object, at: _Place) -> object:
    reader = _VALUES.get(kind.kind)
    if reader is None:
        raise at.error(f"no constant has the type `{kind.kind.value}`")
    try:
        return reader(value)
    except (ValueError, TypeError, binascii.Error) as cause:
        raise at.error(f"no constant of type `{kind.kind.value}`") from cause


def _integer(value: object, allowed: range) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(value)
    if int(value) not in allowed:
        raise ValueError(value)
    return int(value)


def _exact(value: object, *allowed: type) -> object:
    if type(value) not in allowed:
        raise TypeError(value)
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(value)
    return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)


def _double(value: object) -> float:
    if not isinstance(value, str):
        raise TypeError(value)
    return float(value)


_VALUES: Mapping[Kind, Callable[[object], object]] = {
    Kind.BOOL: lambda value: _exact(value, bool),
    Kind.INT: lambda value: _integer(value, _INT64),
    Kind.UINT: lambda value: _integer(value, _UINT64),
    Kind.DOUBLE: _double,
    Kind.STRING: lambda value: _exact(value, str),
    Kind.TYPE: lambda value: _exact(value, str),
    Kind.BYTES: _bytes,
    Kind.NULL: lambda value: _exact(value, type(None)),
}
