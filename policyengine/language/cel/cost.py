"""The static worst-case cost of a condition: how many nodes one evaluation can visit on the largest device.

Facts are bounded (FieldSpec.maximum), so nested quantifiers multiply known numbers. The unit is one visited node; a
generated condition takes some tens of nanoseconds for each.
"""

from __future__ import annotations

from policyengine.language.cel.problems import CelProblem
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

MAX_PLAIN = 100  # steps that no message takes apart
MAX_SHARES = 3  # parts of about the same cost that a message names

_Bounds = dict[str, int]  # variable -> most elements of its value
_Part = tuple[Node, _Bounds, int]
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
    """Return the problem of a condition whose worst cost is over MAX_COST, if so: at and about its dearest part."""
    costs = _Costs(schema)
    cost = costs.cost(node, {})
    if cost <= MAX_COST:
        return None
    offset, because = costs.dearest(node)
    message = f"condition can take {cost} steps on one device, the limit is {MAX_COST}: {because}"
    advice = "nest fewer lists, or filter the inner list by something of its own first"
    return CelProblem(offset=offset, code="cel.cost", message=message, help=advice)


class _Costs:
    """Costs over one schema."""

    def __init__(self, schema: FactSchema) -> None:
        self._schema = schema

    def cost(self, node: Node, bounds: _Bounds) -> int:
        below = sum(times * self.cost(part, inner) for part, inner, times in self._parts(node, bounds))
        return self._own(node, bounds) + below

    def dearest(self, node: Node) -> tuple[int, str]:
        """Return where most of the cost of `node` arises, and the loops that lead there in words."""
        words, offset, bounds = list[str](), node.offset, _Bounds()
        while True:
            own, parts = self._own(node, bounds), self._parts(node, bounds)
            if isinstance(node, Comprehension):
                words.append(f"`{node.macro.value}` over {_title(node.range)} goes round {own - 1} times")
                offset = node.offset if len(words) == 1 else offset
            costs = [times * self.cost(part, inner) for part, inner, times in parts]
            if own + sum(costs) < MAX_PLAIN:
                return offset, ", each time ".join([*words, f"{own + sum(costs)} steps"])
            if own >= sum(costs) or max(costs) * 2 < sum(costs):
                return offset, ", each time ".join([*words, _shares(node, own, parts, costs)])
            node, bounds, _ = parts[costs.index(max(costs))]

    def _parts(self, node: Node, bounds: _Bounds) -> list[_Part]:
        """Return the parts of `node`, the bounds of the names in them, and how often each is visited."""
        match node:
            case Comprehension():
                inner = {name: size for name, size in bounds.items() if name not in node.variables}
                bodies = [node.body] if node.condition is None else [node.condition, node.body]
                times = self._size(node.range, bounds)
                return [(node.range, bounds, 1), *((body, inner, times) for body in bodies)]
            case Bind():
                inner = {**bounds, node.name: self._size(node.value, bounds)}
                return [(node.value, bounds, 1), (node.body, inner, 1)]
            case _:
                return [(part, bounds, 1) for part in children(node)]

    def _own(self, node: Node, bounds: _Bounds) -> int:
        match node:
            case Comprehension():
                return 1 + self._size(node.range, bounds)
            case Call():
                return self._call(node, bounds)
            case _:
                return 1

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


def _title(node: Node) -> str:
    """Return what a reader calls the list or map that `node` is."""
    match node:
        case Fact():
            return f"`{'.'.join(node.path)}`"
        case Variable():
            return f"`{node.name}`"
        case Select():
            return f"`{_title(node.operand).strip('`')}.{node.name}`"
        case Call():
            return f"what `{node.function.strip('_@')}` gives"
        case Comprehension():
            return f"what `{node.macro.value}` gives"
        case _:
            return "a list"


def _shares(node: Node, own: int, parts: list[_Part], costs: list[int]) -> str:
    """Return in words what the steps of `node` itself are."""
    if isinstance(node, Call) and own >= sum(costs):
        return f"`{node.function.strip('_@')}` takes {own} steps"
    dear = sorted(zip(costs, parts, strict=True), key=lambda pair: -pair[0])[:MAX_SHARES]
    return ", ".join(f"{_title(part)} takes {cost} steps" for cost, (part, _, _) in dear)
