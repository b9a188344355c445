"""The parsed or checked expression as our own expression IR, from which all engines work.

Macros become Comprehension nodes again, selections on fact groups become Fact paths, `&&` and `||` become flat, and
offsets point at what a reader looks for: an operator, a function's or field's name, or the first character.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from policyengine.language.cel.macros import MacroShape, is_bind, recognise
from policyengine.language.cel.names import Names
from policyengine.language.cel.problems import CelProblem
from policyengine.language.cel.text import SourceText
from policyengine.language.cel.types import ForeignTypeError, checked
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
    Or,
    Select,
    Variable,
)
from policyengine.model.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    TYPE,
    UINT,
    Kind,
    Type,
    map_of,
    optional_of,
)

Scope = Mapping[str, str]  # local name in the text -> name in the IR

_CONSTANTS = {
    "null_value": NULL,
    "bool_value": BOOL,
    "int64_value": INT,
    "uint64_value": UINT,
    "double_value": DOUBLE,
    "string_value": STRING,
    "bytes_value": BYTES,
}
_OPTIONAL_SELECT = "_?._"
_LIBRARY = "cel"
_BLOCK, _INDEX = f"{_LIBRARY}.block", f"{_LIBRARY}.index"


class Translator:
    """Translates one expression; what must not be translated is added to `problems`."""

    def __init__(self, expression: Any, source: SourceText, names: Names) -> None:
        self.problems: list[CelProblem] = []
        self._root = expression.expr
        self._positions: Mapping[int, int] = dict(expression.source_info.positions)
        self._types: Mapping[int, Any] = getattr(expression, "type_map", {})
        self._references: Mapping[int, Any] = getattr(expression, "reference_map", {})
        self._is_checked = hasattr(expression, "type_map")
        self._source = source
        self._names = names

    def translate(self) -> Node:
        """Return the IR of the whole expression; meaningless when `problems` is not empty."""
        return self._node(self._root, {})

    def _node(self, expression: Any, scope: Scope) -> Node:
        match expression.WhichOneof("kind"):
            case "const_expr":
                return self._constant(expression, expression.const_expr)
            case "ident_expr":
                return self._name(expression, scope)
            case "select_expr":
                return self._select(expression, scope)
            case "call_expr":
                return self._call(expression, scope)
            case "list_expr":
                return self._list(expression, scope)
            case "struct_expr":
                return self._map(expression, scope)
            case _:
                return self._comprehension(expression, scope)

    def _offset(self, expression: Any) -> int:
        return self._source.anchor(self._positions.get(expression.id, 0))

    def _type(self, expression: Any) -> Type:
        found = self._types.get(expression.id)
        if found is None:
            return DYN
        try:
            return checked(found)
        except ForeignTypeError as error:
            self._refuse(expression, error.code, error.message)
            return DYN

    def _refuse(self, expression: Any, code: str, message: str, advice: str = "") -> Node:
        offset = self._offset(expression)
        self.problems.append(CelProblem(offset=offset, code=code, message=message, help=advice))
        return Literal(value=None, type=NULL, offset=offset)

    def _constant(self, expression: Any, constant: Any) -> Node:
        form = constant.WhichOneof("kind")
        value = None if form == "null_value" else getattr(constant, form)
        return Literal(value=value, type=_CONSTANTS[form], offset=self._offset(expression))

    def _name(self, expression: Any, scope: Scope) -> Node:
        name, position = expression.ident_expr.name, self._positions.get(expression.id, 0)
        if (local := scope.get(name)) is not None:
            return Variable(name=local, type=self._type(expression), offset=position)
        token = self._source.token_at(position)
        if self._is_checked and token is not None and token.text == "(":  # cel-cpp reads `has(params.x)` as `params.x`
            advice = "leave `has` away: what is declared is always there"
            return self._refuse(expression, "cel.has", "`has` asks about a fact, a map key or a field", advice)
        if not self._is_checked:
            return self._unchecked_chain([name], [expression])
        reference = self._references.get(expression.id)
        if reference is not None and reference.HasField("value"):
            return self._constant(expression, reference.value)
        return self._names.node(name.lstrip("."), self._type(expression), self._source.chain_start(position))

    def _select(self, expression: Any, scope: Scope) -> Node:
        select = expression.select_expr
        if not self._is_checked and not select.test_only and (chain := _chain(expression)) and chain[0][0] not in scope:
            return self._unchecked_chain(*chain)
        return self._selected(expression, self._node(select.operand, scope))

    def _selected(self, expression: Any, operand: Node) -> Node:
        field, kind, offset = expression.select_expr.field, self._type(expression), self._offset(expression)
        if expression.select_expr.test_only:
            return Has(operand=operand, name=field, type=kind if self._is_checked else BOOL, offset=offset)
        if isinstance(operand, Fact) and operand.type.kind is Kind.STRUCT:
            return Fact(path=(*operand.path, field), type=kind, offset=operand.offset)
        return Select(operand=operand, name=field, type=kind, offset=offset)

    def _unchecked_chain(self, steps: list[str], expressions: list[Any]) -> Node:
        """Return the node of unchecked `a.b.c`; `expressions` are those of `a`, `a.b`, `a.b.c`."""
        name, taken = self._names.resolve(steps)
        kind = TYPE if self._names.is_type(name) else DYN
        node = self._names.node(name, kind, self._source.chain_start(self._positions.get(expressions[0].id, 0)))
        for expression in expressions[taken:]:
            node = self._selected(expression, node)
        return node

    def _call(self, expression: Any, scope: Scope) -> Node:
        call = expression.call_expr
        if call.function in ("_&&_", "_||_"):
            return self._logical(expression, scope)
        function, parts = call.function.removeprefix("."), [*call.args]
        if call.HasField("target"):
            if self._is_library(call.target, scope):
                function = f"{call.target.ident_expr.name}.{function}"
            else:
                parts = [call.target, *parts]
        if function == _BLOCK and self._names.is_plain and parts[0].WhichOneof("kind") == "list_expr":
            return self._block(expression, scope, parts)
        arguments = tuple(self._node(part, scope) for part in parts)
        return self._applied(expression, function, arguments)

    def _block(self, expression: Any, scope: Scope, parts: list[Any]) -> Node:
        """Return `cel.block([a, b], c)` as one Bind in another; `cel.index(1)` is the variable that holds `b`."""
        node = self._node(parts[1], scope)
        for at, value in reversed(list(enumerate(parts[0].list_expr.elements))):
            node = Bind(
                name=f"{_INDEX}({at})",
                value=self._node(value, scope),
                body=node,
                type=self._type(expression),
                offset=self._offset(expression),
            )
        return node

    def _is_library(self, target: Any, scope: Scope) -> bool:
        if self._is_checked or target.WhichOneof("kind") != "ident_expr":
            return False
        name = target.ident_expr.name
        return name not in scope and self._names.is_namespace(name)

    def _applied(self, expression: Any, function: str, arguments: tuple[Node, ...]) -> Node:
        kind, offset = self._type(expression), self._offset(expression)
        if function == "_?_:_":
            condition, then, otherwise = arguments
            return Conditional(condition=condition, then=then, otherwise=otherwise, type=kind, offset=offset)
        if function == _OPTIONAL_SELECT and isinstance(arguments[1], Literal):
            name = str(arguments[1].value)
            return Select(operand=arguments[0], name=name, optional=True, type=kind, offset=offset)
        if self._names.is_plain:
            function, arguments = _read_leniently(function, arguments)
            if function == _INDEX and len(arguments) == 1 and isinstance(arguments[0], Literal):
                return Variable(name=f"{_INDEX}({arguments[0].value!r})", type=DYN, offset=offset)
        return Call(
            function=function,
            arguments=arguments,
            overload=self._overload(expression),
            type=_sound(function, arguments, kind),
            offset=offset,
        )

    def _overload(self, expression: Any) -> str:
        reference = self._references.get(expression.id)
        found = () if reference is None else tuple(reference.overload_id)
        return found[0] if len(found) == 1 else ""  # several: only the values at run time decide

    def _logical(self, expression: Any, scope: Scope) -> Node:
        form = And if expression.call_expr.function == "_&&_" else Or
        operands: list[Node] = []
        for part in expression.call_expr.args:
            node = self._node(part, scope)
            operands.extend(node.operands if isinstance(node, form) else (node,))
        return form(operands=tuple(operands), type=BOOL, offset=self._offset(expression))

    def _list(self, expression: Any, scope: Scope) -> Node:
        found = expression.list_expr
        items = tuple(self._node(item, scope) for item in found.elements)
        optional = frozenset(found.optional_indices)
        return ListOf(items=items, optional=optional, type=self._type(expression), offset=self._offset(expression))

    def _map(self, expression: Any, scope: Scope) -> Node:
        found = expression.struct_expr
        if found.message_name:
            message = f"a condition cannot construct a message such as `{found.message_name}`"
            return self._refuse(expression, "cel.message-construction", message, "compare its fields one by one")
        entries = tuple((self._node(each.map_key, scope), self._node(each.value, scope)) for each in found.entries)
        optional = frozenset(index for index, each in enumerate(found.entries) if each.optional_entry)
        kind = _sound_map(entries, optional, self._type(expression))
        return MapOf(entries=entries, optional=optional, type=kind, offset=self._offset(expression))

    def _comprehension(self, expression: Any, scope: Scope) -> Node:
        loop = expression.comprehension_expr
        if is_bind(loop):
            return self._bind(expression, scope)
        shape = recognise(loop) if loop.iter_var else None
        if shape is None:
            return self._refuse(expression, "cel.macro", "this macro is not written as it must be")
        return self._macro(expression, shape, scope)

    def _bind(self, expression: Any, scope: Scope) -> Node:
        loop = expression.comprehension_expr
        inner = self._inner(scope, loop.accu_var)
        return Bind(
            name=inner[loop.accu_var],
            value=self._node(loop.accu_init, scope),
            body=self._node(loop.result, inner),
            type=self._type(expression),
            offset=self._offset(expression),
        )

    def _macro(self, expression: Any, shape: MacroShape, scope: Scope) -> Node:
        loop = expression.comprehension_expr
        names = [name for name in (loop.iter_var, loop.iter_var2) if name]
        inner = self._inner(scope, *names)
        return Comprehension(
            macro=shape.macro,
            range=self._node(loop.iter_range, scope),
            variables=tuple(inner[name] for name in names),
            condition=None if shape.condition is None else self._node(shape.condition, inner),
            body=self._node(shape.body, inner),
            type=self._type(expression),
            offset=self._offset(expression),
        )

    def _inner(self, scope: Scope, *names: str) -> Scope:
        """Return `scope` with local `names`; one that hides a global is renamed, because `.name` still reads that."""
        fresh = {name: f"{name}@{len(scope)}" if name in self._names.variables else name for name in names}
        return {**scope, **fresh}


def _read_leniently(function: str, arguments: tuple[Node, ...]) -> tuple[str, tuple[Node, ...]]:
    """Return `a.b.orValue(c)` for a `b` of unknown type as what works whether or not it is an optional.

    Kyverno's policies are written so; strict CEL has no overload for a value that is no optional.
    """
    match function, arguments:
        case "orValue", (Select(optional=False, type=Type(kind=Kind.DYN)) as select, default):
            return "@orValueOfPlain", (replace(select, optional=True), default)
        case _:
            return function, arguments


_GENERIC = frozenset({"or", "orValue"})


def _sound(function: str, arguments: tuple[Node, ...], kind: Type) -> Type:
    """Return the type that a call's value surely has: cel-cpp believes `dyn(x).orValue(1)` to be an int."""
    if function not in _GENERIC or not any(_is_dynamic(argument.type) for argument in arguments):
        return kind
    return optional_of(DYN) if kind.kind is Kind.OPTIONAL else DYN


def _sound_map(entries: tuple[tuple[Node, Node], ...], optional: frozenset[int], kind: Type) -> Type:
    """Return the type that a map surely has: cel-cpp believes `{"a": 1, "b": dyn(x)}` to hold ints only."""
    if kind.kind is not Kind.MAP:
        return kind
    values = [value.type.parameters[:1] if at in optional else (value.type,) for at, (_, value) in enumerate(entries)]
    key = kind.parameters[0] if all(each.type == kind.parameters[0] for each, _ in entries) else DYN
    value = kind.parameters[1] if all(found == kind.parameters[1:] for found in values) else DYN
    return map_of(key, value)


def _is_dynamic(kind: Type) -> bool:
    return kind.kind is Kind.DYN or any(map(_is_dynamic, kind.parameters))


def _chain(expression: Any) -> tuple[list[str], list[Any]] | None:
    """Return steps and expressions of a plain `a.b.c`, outermost last; None for anything else."""
    steps: list[str] = []
    expressions: list[Any] = []
    while expression.WhichOneof("kind") == "select_expr" and not expression.select_expr.test_only:
        steps.append(expression.select_expr.field)
        expressions.append(expression)
        expression = expression.select_expr.operand
    if expression.WhichOneof("kind") != "ident_expr":
        return None
    return [expression.ident_expr.name, *reversed(steps)], [expression, *reversed(expressions)]
