"""CEL's macros, recognised again by the shape of the comprehension that the parser expands them to.

cel-cpp keeps no record of the macro calls, but the shapes are fixed (google/cel-spec `doc/langdef.md`, "Macros"); an
accumulator's name starts with `@`, which no condition can write, so that nothing else has these shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policyengine.model.expression import Macro

_MAP_INSERT = "cel.@mapInsert"


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroShape:
    """A recognised macro; `body` and `condition` are still `cel.expr.Expr` messages."""

    macro: Macro
    body: Any
    condition: Any = None


def is_bind(loop: Any) -> bool:
    """Return whether the comprehension is `cel.bind`: it loops over nothing and never steps."""
    return (
        loop.iter_range.WhichOneof("kind") == "list_expr"
        and not loop.iter_range.list_expr.elements
        and _is_constant(loop.loop_condition, value=False)
    )


def recognise(loop: Any) -> MacroShape | None:
    """Return the macro that the comprehension `loop` stands for, or None for a shape that no macro has."""
    step = loop.loop_step.call_expr
    if _accumulates(loop, step, "_&&_") and _is_constant(loop.accu_init, value=True):
        return MacroShape(macro=Macro.ALL, body=step.args[1])
    if _accumulates(loop, step, "_||_") and _is_constant(loop.accu_init, value=False):
        return MacroShape(macro=Macro.EXISTS, body=step.args[1])
    if step.function == "_?_:_" and _is_name(step.args[2], loop.accu_var):
        return _conditional(loop, step.args[0], step.args[1].call_expr)
    return _transform(loop, step, None)


def _conditional(loop: Any, condition: Any, step: Any) -> MacroShape | None:
    if _accumulates(loop, step, "_+_") and step.args[1].const_expr.int64_value == 1:
        return MacroShape(macro=Macro.EXISTS_ONE, body=condition)
    return _transform(loop, step, condition)


def _transform(loop: Any, step: Any, condition: Any) -> MacroShape | None:
    if _accumulates(loop, step, "_+_") and len(step.args[1].list_expr.elements) == 1:
        return _to_list(loop, step.args[1].list_expr.elements[0], condition)
    if step.function == _MAP_INSERT and _is_name(step.args[0], loop.accu_var):
        return _to_map(step, condition)
    return None


def _to_list(loop: Any, element: Any, condition: Any) -> MacroShape:
    if loop.iter_var2:
        return MacroShape(macro=Macro.TRANSFORM_LIST, body=element, condition=condition)
    if condition is not None and _is_name(element, loop.iter_var):  # `map(x, p, x)` is `filter(x, p)`
        return MacroShape(macro=Macro.FILTER, body=condition)
    return MacroShape(macro=Macro.MAP, body=element, condition=condition)


def _to_map(step: Any, condition: Any) -> MacroShape:
    macro = Macro.TRANSFORM_MAP if len(step.args) == 3 else Macro.TRANSFORM_MAP_ENTRY
    return MacroShape(macro=macro, body=step.args[-1], condition=condition)


def _accumulates(loop: Any, step: Any, function: str) -> bool:
    return bool(step.function == function and len(step.args) == 2 and _is_name(step.args[0], loop.accu_var))


def _is_name(expression: Any, name: str) -> bool:
    return bool(expression.WhichOneof("kind") == "ident_expr" and expression.ident_expr.name == name)


def _is_constant(expression: Any, *, value: bool) -> bool:
    constant = expression.const_expr
    return bool(constant.WhichOneof("kind") == "bool_value" and constant.bool_value is value)
