"""From expression nodes to Python source: straight code that raises where three-valued logic needs care.

The source holds only generated names, constants written by `repr`, and field names as string literals. What it raises
(errors.ERRORS) sends a rule to the exact code of `exact.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policyengine.decision import constants, operators
from policyengine.decision.space import Alias, Local, Scope, Space, UntranslatableError, origin
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
from policyengine.model.types import Kind, Type

COLLECTIONS = frozenset({Kind.LIST, Kind.MAP, Kind.STRUCT, Kind.DYN})
PLAIN = (Fact, Param, Now, Literal)  # as cheap to write again as to bind, and free of local names


class Emitter:
    """Writes the body of one generated function; `groups` are the fact groups it has to fetch first."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.groups: dict[str, str] = {}

    def prologue(self) -> list[str]:
        """Return the lines that fetch the fact groups used."""
        return [f"{name} = F.get({root!r}, E)" for root, name in self.groups.items()]

    def expression(self, node: Node, scope: Scope) -> str:
        """Return source for the value of `node`; a fact collection as a whole value has to be complete."""
        text = self.raw(node, scope)
        path = origin(node, scope) if node.type.kind in COLLECTIONS else None
        return text if path is None else f"W({text}, K, {path!r})"

    def condition(self, node: Node, scope: Scope) -> str:
        """Return source for `node` as a bool; a dynamic value is checked."""
        text = self.expression(node, scope)
        return text if node.type.kind is Kind.BOOL else f"B({text})"

    def raw(self, node: Node, scope: Scope) -> str:
        """Return source for `node`, without asking whether a fact collection is complete."""
        folded = constants.constant_of(node, self.space)
        if folded is not None:
            return self.space.literal(folded.value)
        return _WRITERS[type(node)](self, node, scope)

    def fact(self, node: Fact, _scope: Scope) -> str:
        """Return source for a fact: a subscript of its group, KeyError when absent."""
        root, *rest = node.path
        if not rest:
            return f"F[{root!r}]"
        group = self.groups.setdefault(root, f"g{len(self.groups)}")
        return group + "".join(f"[{step!r}]" for step in rest)

    def now(self, _node: Now, _scope: Scope) -> str:
        """Return the name of the decision's time."""
        return "now"

    def variable(self, node: Variable, scope: Scope) -> str:
        """Return source for a bound name, or for a variable of plain CEL."""
        found = scope.get(node.name)
        if isinstance(found, Alias):
            return self.raw(found.node, found.scope)
        if found is not None:
            return f"V({found.name})" if found.lazy else found.name
        if not self.space.plain:
            raise UntranslatableError(f"`{node.name[:64]}` is not declared", name=node.name)
        return f"F[{node.name!r}]"

    def select(self, node: Select, scope: Scope) -> str:
        """Return source for `operand.name` and `operand.?name`."""
        operand, path = self.raw(node.operand, scope), origin(node, scope)
        if node.optional or node.operand.type.kind is Kind.OPTIONAL:
            text = f"opt_select({operand}, {node.name!r})"
            return text if path is None else f"known({text}, K, {path!r})"
        if path is not None and node.operand.type.kind in (Kind.STRUCT, Kind.MAP):
            return f"{operand}[{node.name!r}]"
        return f"select({operand}, {node.name!r})"

    def has(self, node: Has, scope: Scope) -> str:
        """Return source for `has(operand.name)`: absence is an answer only where the source listed everything."""
        above = origin(node.operand, scope)
        operand = self._group(node.operand) or self.raw(node.operand, scope)
        if above is None:
            return f"has({operand}, {node.name!r})"
        return f"({node.name!r} in {operand} or A(K, {f'{above}.{node.name}'!r}))"

    def _group(self, node: Node) -> str | None:
        if isinstance(node, Fact) and len(node.path) == 1 and node.type.kind is Kind.STRUCT:
            return self.groups.setdefault(node.path[0], f"g{len(self.groups)}")
        return None

    def call(self, node: Call, scope: Scope) -> str:
        """Return source for a function or operator: Python's own where the types allow it, else our function."""
        inlined = operators.inline(self, node, scope)
        if inlined is not None:
            return inlined
        arguments = ", ".join(self.expression(argument, scope) for argument in node.arguments)
        return f"{self.space.function(node.function, len(node.arguments))}({arguments})"

    def conjunction(self, node: And, scope: Scope) -> str:
        """Return source for `&&` that stops at the first false or error."""
        return "(" + " and ".join(self.condition(operand, scope) for operand in node.operands) + ")"

    def disjunction(self, node: Or, scope: Scope) -> str:
        """Return source for `||` that stops at the first true or error."""
        return "(" + " or ".join(self.condition(operand, scope) for operand in node.operands) + ")"

    def conditional(self, node: Conditional, scope: Scope) -> str:
        """Return source for `?:`."""
        then, otherwise = self.expression(node.then, scope), self.expression(node.otherwise, scope)
        return f"({then} if {self.condition(node.condition, scope)} else {otherwise})"

    def list_of(self, node: ListOf, scope: Scope) -> str:
        """Return source for a list literal."""
        items = [self.expression(item, scope) for item in node.items]
        if node.optional:
            return f"Q({', '.join(text if at in node.optional else f'({text},)' for at, text in enumerate(items))})"
        return f"({', '.join(items)},)" if items else "()"

    def map_of(self, node: MapOf, scope: Scope) -> str:
        """Return source for a map literal."""
        pairs = [
            f"({self.expression(key, scope)}, {self.expression(value, scope)}{', True' if at in node.optional else ''})"
            for at, (key, value) in enumerate(node.entries)
        ]
        return f"R({', '.join(pairs)})"

    def bind(self, node: Bind, scope: Scope) -> str:
        """Return source for `cel.bind`; a plain value is not bound but used."""
        if isinstance(node.value, PLAIN):
            return self.expression(node.body, {**scope, node.name: Alias(node=node.value, scope=scope)})
        local = self.local(node.value.type, origin(node.value, scope))
        body = self.expression(node.body, {**scope, node.name: local})
        return f"(lambda {local.name}: {body})({self.raw(node.value, scope)})"

    def local(self, kind: Type, path: str | None) -> Local:
        """Return a new variable for a value of type `kind` that comes from the facts at `path`."""
        return Local(name=self.space.fresh("v"), type=kind, origin=path)

    def loop(self, node: Comprehension, scope: Scope) -> tuple[str, Scope]:
        """Return `TARGET in RANGE` of the loop that `node` is, and the scope of its body."""
        source, path = node.range, origin(node.range, scope)
        partial = node.macro in (Macro.ALL, Macro.EXISTS)
        text = self.raw(source, scope) if partial else self.expression(source, scope)
        if self.space.plain:
            text = f"F.spend({text})"  # a policy's condition has its bound from the schema instead
        kinds = _element_types(source.type, len(node.variables))
        locals_ = {name: self.local(kind, path) for name, kind in zip(node.variables, kinds, strict=True)}
        target = ", ".join(found.name for found in locals_.values())
        if len(node.variables) == 2:
            over = f"enumerate({text})" if source.type.kind is Kind.LIST else f"J({text})"
        else:
            over = text if source.type.kind is Kind.LIST else f"I({text})"
        return f"{target} in {over}", {**scope, **locals_}

    def comprehension(self, node: Comprehension, scope: Scope) -> str:
        """Return source for a macro over a list or map."""
        loop, inner = self.loop(node, scope)
        path = origin(node.range, scope)
        if node.macro in (Macro.ALL, Macro.EXISTS):
            word = "all" if node.macro is Macro.ALL else "any"
            text = f"{word}({self.condition(node.body, inner)} for {loop})"
            return text if path is None else settled(text, path, node.macro)
        when = "" if node.condition is None else f" if {self.condition(node.condition, inner)}"
        return self._collected(node, loop, when, inner)

    def _collected(self, node: Comprehension, loop: str, when: str, inner: Scope) -> str:
        names = [self.variable(Variable(type=node.type, name=name), inner) for name in node.variables]
        match node.macro:
            case Macro.FILTER:
                return f"tuple({names[0]} for {loop} if {self.condition(node.body, inner)})"
            case Macro.EXISTS_ONE:
                return f"(sum(1 for {loop} if {self.condition(node.body, inner)}) == 1)"
            case Macro.MAP | Macro.TRANSFORM_LIST:
                return f"tuple({self.expression(node.body, inner)} for {loop}{when})"
            case Macro.TRANSFORM_MAP:
                return f"{{key({names[0]}): {self.expression(node.body, inner)} for {loop}{when}}}"
            case _:
                return f"M({self.expression(node.body, inner)} for {loop}{when})"


def indented(lines: list[str]) -> list[str]:
    """Return `lines` one level deeper."""
    return ["    " + line for line in lines]


def opposite(answer: str) -> str:
    """Return the source of the other truth value."""
    return "True" if answer == "False" else "False"


def settled(text: str, path: str, macro: Macro) -> str:
    """Return `text` where no witness decided it: only a complete collection says that there is none."""
    complete = f"(K[{path!r}] or P())"
    return f"({text} and {complete})" if macro is Macro.ALL else f"({text} or {complete} and False)"


def _element_types(kind: Type, variables: int) -> tuple[Type, ...]:
    dynamic = Type(kind=Kind.DYN)
    parameters = kind.parameters or (dynamic, dynamic)
    if kind.kind is Kind.LIST:
        return (parameters[0],) if variables == 1 else (Type(kind=Kind.INT), parameters[0])
    if kind.kind is Kind.MAP:
        return parameters[:variables]
    return (dynamic,) * variables


_Writer = Callable[[Emitter, Node, Scope], str]


def _writers() -> Mapping[type[Node], Callable[..., str]]:
    return {
        Fact: lambda emitter, node, scope: emitter.fact(node, scope),
        Now: lambda emitter, node, scope: emitter.now(node, scope),
        Variable: lambda emitter, node, scope: emitter.variable(node, scope),
        Select: lambda emitter, node, scope: emitter.select(node, scope),
        Has: lambda emitter, node, scope: emitter.has(node, scope),
        Call: lambda emitter, node, scope: emitter.call(node, scope),
        And: lambda emitter, node, scope: emitter.conjunction(node, scope),
        Or: lambda emitter, node, scope: emitter.disjunction(node, scope),
        Conditional: lambda emitter, node, scope: emitter.conditional(node, scope),
        ListOf: lambda emitter, node, scope: emitter.list_of(node, scope),
        MapOf: lambda emitter, node, scope: emitter.map_of(node, scope),
        Bind: lambda emitter, node, scope: emitter.bind(node, scope),
        Comprehension: lambda emitter, node, scope: emitter.comprehension(node, scope),
    }


_WRITERS = _writers()
