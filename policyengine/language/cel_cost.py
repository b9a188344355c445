"""The static worst-case cost of a condition: how many nodes one evaluation can visit on the largest device.

Facts are bounded (FieldSpec.maximum), so nested quantifiers multiply known numbers. The unit is one visited node; a
generated condition takes some tens of nanoseconds for each.
"""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.language.cel_problems import CelProblem
from policyengine.model.expression import (
    Bind,
    Call,
    Comprehension,
    Conditional,
    Fact,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Node,
    Select,
    Variable,
    children,
)
from policyengine.model.schema import MAX_LIST, FactSchema
from policyengine.model.types import Kind

MAX_COST = 2_500_000  # software x vuln fits, software x components and vuln x components do not
MAX_RANGE = 65_536  # what `lists.range` gives at most; the engine refuses more
REGEX_COST = 20  # a match took four to ten times as long as other calls (measured)

_Bounds = Mapping[str, int]  # variable -> most elements of its value
_LOOKING_THROUGH = frozenset({"@in", "_==_", "_!=_"})
_COMPARING_PAIRS = frozenset({"sets.contains", "sets.intersects", "sets.equivalent", "distinct"})
_SAME_SIZE = frozenset(
    {"slice", "reverse", "distinct", "sort", "@sortByAssociatedKeys", "orValue", "value", "optional.of"}
)
_KEEPING_SIZE = frozenset(
    {Macro.MAP, Macro.FILTER, Macro.TRANSFORM_LIST, Macro.TRANSFORM_MAP, Macro.TRANSFORM_MAP_ENTRY}
)


def worst_cost(node: Node, schema: FactSchema) -> int:
    """Return the most nodes that one evaluation of `node` visits, with all lists at their bounds."""
    return _Costs(schema).cost(node, {})


def cost_problem(node: Node, schema: FactSchema) -> CelProblem | None:
    """Return the problem of a condition whose worst cost is over MAX_COST, if so."""
    cost = worst_cost(node, schema)
    if cost <= MAX_COST:
        return None
    message = f"condition can take {cost} steps on one device, the limit is {MAX_COST}"
    advice = "nest fewer lists, or filter the inner list by something of its own first"
    return CelProblem(offset=node.offset, code="cel.cost", message=message, help=advice)


class _Costs:
    """Costs over one schema."""

    def __init__(self, schema: FactSchema) -> None:
        self._schema = schema

    def cost(self, node: Node, bounds: _Bounds) -> int:
        match node:
            case Comprehension():
                return self._loop(node, bounds)
            case Bind():
                inner = {**bounds, node.name: self._size(node.value, bounds)}
                return 1 + self.cost(node.value, bounds) + self.cost(node.body, inner)
            case Call():
                return self._call(node, bounds) + sum(self.cost(part, bounds) for part in node.arguments)
            case _:
                return 1 + sum(self.cost(part, bounds) for part in children(node))

    def _loop(self, node: Comprehension, bounds: _Bounds) -> int:
        times = self._size(node.range, bounds)
        inner = {name: size for name, size in bounds.items() if name not in node.variables}
        parts = [node.body] if node.condition is None else [node.condition, node.body]
        return 1 + self.cost(node.range, bounds) + times * (1 + sum(self.cost(part, inner) for part in parts))

    def _call(self, node: Call, bounds: _Bounds) -> int:
        if node.function == "matches" or node.function.startswith("regex."):
            return REGEX_COST
        largest = max((self._size(part, bounds) for part in node.arguments if _is_collection(part)), default=1)
        if node.function in _COMPARING_PAIRS:
            return 1 + largest * largest
        return 1 + largest if node.function in _LOOKING_THROUGH else 1

    def _size(self, node: Node, bounds: _Bounds) -> int:
        """Return the most elements that the value of `node` has, if it is a list or map."""
        match node:
            case Fact():
                return self._schema.field(node.path).maximum or MAX_LIST
            case Variable():
                return bounds.get(node.name, MAX_LIST)
            case Select():
                return self._field_size(node)
            case ListOf():
                return len(node.items)
            case MapOf():
                return len(node.entries)
            case Literal():
                return 1
            case _:
                return self._computed_size(node, bounds)

    def _field_size(self, node: Select) -> int:
        spec = self._schema.structs.get(node.operand.type.name, {}).get(node.name)
        return MAX_LIST if spec is None or spec.maximum is None else spec.maximum

    def _computed_size(self, node: Node, bounds: _Bounds) -> int:
        match node:
            case Comprehension() if node.macro in _KEEPING_SIZE:
                return self._size(node.range, bounds)
            case Conditional():
                return max(self._size(node.then, bounds), self._size(node.otherwise, bounds))
            case Bind():
                return self._size(node.body, {**bounds, node.name: self._size(node.value, bounds)})
            case Call() if node.function == "_+_":
                return sum(self._size(part, bounds) for part in node.arguments)
            case Call(function="lists.range", arguments=(Literal(value=int() as count),)):
                return max(0, count)
            case Call(function="lists.range"):
                return MAX_RANGE
            case Call() if node.function in _SAME_SIZE:
                return max(self._size(part, bounds) for part in node.arguments)
            case _:
                return MAX_LIST  # split, flatten, params and whatever is dyn: as the bound of a device's own lists


def _is_collection(node: Node) -> bool:
    return node.type.kind in (Kind.LIST, Kind.MAP)
