"""Expressions as text in the condition language: for reports that show a part of a condition, or one that was changed.

The text means the same as the node. A let stands as `let.NAME`, without the text it stands for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
    MapOf,
    Node,
    Now,
    Or,
    Param,
    Select,
    Variable,
)
from policyengine.model.types import Kind

# How tightly operators bind, as in google/cel-spec doc/langdef.md: conditional, ||, &&, relations, +, *, unary, member.
_CONDITIONAL, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)

_BINARY: Mapping[str, tuple[str, int]] = {
    **{f"_{sign}_": (sign, _RELATION) for sign in ("==", "!=", "<", "<=", ">", ">=")},
    "@in": ("in", _RELATION),
    **{f"_{sign}_": (sign, _SUM) for sign in ("+", "-")},
    **{f"_{sign}_": (sign, _PRODUCT) for sign in ("*", "/", "%")},
}
_PREFIX = {"!_": "!", "-_": "-"}
_RENAMED = {"math.@max": "math.greatest", "math.@min": "math.least"}
_GLOBAL_NAMES = "bool bytes cidr double duration dyn int ip isCIDR isIP isSemver semver size string timestamp type uint"
_GLOBAL = frozenset(_GLOBAL_NAMES.split())
_LET = "let."


def condition_text(node: Node) -> str:
    """Return `node` in the condition language, on one line."""
    return _written(node, _CONDITIONAL)


def _written(node: Node, needed: int) -> str:
    """Return `node`, in brackets unless it binds at least as tightly as `needed`."""
    text, binding = _parts(node)
    return text if binding >= needed else f"({text})"


def _parts(node: Node) -> tuple[str, int]:
    """Return the text of `node` and how tightly its outermost operator binds."""
    match node:
        case And(operands=operands):
            return " && ".join(_written(operand, _AND + 1) for operand in operands), _AND
        case Or(operands=operands):
            return " || ".join(_written(operand, _OR + 1) for operand in operands), _OR
        case Conditional():
            condition, then = _written(node.condition, _OR), _written(node.then, _OR)
            return f"{condition} ? {then} : {_written(node.otherwise, _CONDITIONAL)}", _CONDITIONAL
        case Call():
            return _call(node)
        case Bind(name=name) if name.startswith(_LET):
            return _parts(node.body)
        case Literal(value=int() | float() as value) if not isinstance(value, bool) and value < 0:
            return _literal(node), _UNARY
        case _:
            return _WRITERS[type(node)](node), _MEMBER


def _call(node: Call) -> tuple[str, int]:
    match node.function, node.arguments:
        case (function, (left, right)) if function in _BINARY:
            sign, binding = _BINARY[function]
            return f"{_written(left, binding)} {sign} {_written(right, binding + 1)}", binding
        case ("-_", (Literal() as operand,)):
            return f"-({_literal(operand)})", _UNARY  # `-2` without brackets is one constant
        case (function, (operand,)) if function in _PREFIX:
            return _PREFIX[function] + _written(operand, _MEMBER), _UNARY
        case (("_[_]" | "_[?_]") as function, (operand, index)):
            return f"{_written(operand, _MEMBER)}[{'?' if '?' in function else ''}{condition_text(index)}]", _MEMBER
        case _:
            return _named_call(node), _MEMBER


def _named_call(node: Call) -> str:
    name = _RENAMED.get(node.function, node.function)
    listed = [condition_text(argument) for argument in node.arguments]
    is_method = name not in _GLOBAL or node.overload.startswith("method_") or node.overload.endswith("_size")
    if "." in name or not is_method:
        return f"{name}({', '.join(listed)})"
    return f"{_written(node.arguments[0], _MEMBER)}.{name}({', '.join(listed[1:])})"


def _literal(node: Literal) -> str:
    match node.value:
        case None:
            return "null"
        case bool() as value:
            return str(value).lower()
        case bytes() as value:
            return 'b"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
        case str() as value:
            return value if node.type.kind is Kind.TYPE else json.dumps(value, ensure_ascii=False)
        case int() as value:
            return f"{value}u" if node.type.kind is Kind.UINT else str(value)
        case float() as value:
            return repr(value)


def _select(node: Select) -> str:
    return f"{_written(node.operand, _MEMBER)}.{'?' if node.optional else ''}{node.name}"


def _list(node: ListOf) -> str:
    items = ("?" * (at in node.optional) + condition_text(item) for at, item in enumerate(node.items))
    return f"[{', '.join(items)}]"


def _map(node: MapOf) -> str:
    entries = (
        f"{'?' * (at in node.optional)}{condition_text(key)}: {condition_text(value)}"
        for at, (key, value) in enumerate(node.entries)
    )
    return f"{{{', '.join(entries)}}}"


def _comprehension(node: Comprehension) -> str:
    middle = () if node.condition is None else (condition_text(node.condition),)
    inside = ", ".join((*node.variables, *middle, condition_text(node.body)))
    return f"{_written(node.range, _MEMBER)}.{node.macro.value}({inside})"


def _bind(node: Bind) -> str:
    match node.body:
        case Call(function="@sortByAssociatedKeys", arguments=(_, Comprehension() as keys)):  # how `sortBy` is read
            return f"{_written(node.value, _MEMBER)}.sortBy({keys.variables[0]}, {condition_text(keys.body)})"
    return f"cel.bind({node.name}, {condition_text(node.value)}, {condition_text(node.body)})"


_WRITERS: Mapping[type[Node], Callable[[Any], str]] = {
    Literal: _literal,
    Fact: lambda node: ".".join(node.path),
    Now: lambda _: "now",
    Param: lambda node: f"params.{node.name}",
    Variable: lambda node: node.name,
    Select: _select,
    Has: lambda node: f"has({_written(node.operand, _MEMBER)}.{node.name})",
    ListOf: _list,
    MapOf: _map,
    Comprehension: _comprehension,
    Bind: _bind,
}
