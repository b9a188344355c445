"""The names that generated source may use: counters, never text from a policy; constants by `repr` or by reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

from policyengine.decision import runtime
from policyengine.decision.functions import FUNCTIONS, Function, accepts
from policyengine.decision.strings import matcher
from policyengine.errors import PolicyEngineError
from policyengine.model.expression import Call, Fact, Node, Select, Variable
from policyengine.model.types import Type

_SMALL_INTEGER = 2**63


class UntranslatableError(PolicyEngineError):
    """A node that this engine cannot translate: a function that nobody defined, or a name that nobody declared."""

    code = "cel.untranslatable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A variable of generated code. `origin` is the fact collection its value comes from; `lazy` may hold a failure."""

    name: str
    type: Type
    origin: str | None = None
    lazy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name that stands for a plain node; its use is the node's use."""

    node: Node
    scope: Scope


Scope = Mapping[str, "Local | Alias"]


def origin(node: Node, scope: Scope) -> str | None:
    """Return the path of the fact that `node` reads, None for a computed value; elements have their list's path."""
    match node:
        case Fact():
            return ".".join(node.path)
        case Variable():
            found = scope.get(node.name)
            if isinstance(found, Alias):
                return origin(found.node, found.scope)
            return None if found is None else found.origin
        case Select():
            above = origin(node.operand, scope)
            return above and f"{above}.{node.name}"
        case Call(function="_[_]" | "_[?_]" | "dyn", arguments=(operand, *_)):
            return origin(operand, scope)
        case _:
            return None


@dataclass(slots=True, kw_only=True)
class Space:
    """The globals of one generated module, and the source of its functions so far."""

    params: Mapping[str, object] = field(default_factory=dict)
    plain: bool = False  # CEL without facts: free names are the caller's variables, and fail where they are read
    functions: Mapping[str, Function] = field(default_factory=lambda: FUNCTIONS)
    bindings: dict[str, object] = field(default_factory=runtime.bindings)
    sources: list[str] = field(default_factory=list)
    _interned: dict[tuple[str, str], str] = field(default_factory=dict)
    _counter: count[int] = field(default_factory=count)

    def fresh(self, prefix: str) -> str:
        """Return a name that nothing else has."""
        return f"{prefix}{next(self._counter)}"

    def literal(self, value: object) -> str:
        """Return source whose value is the constant `value`."""
        if value is None or value is True or value is False or type(value) is str:
            return repr(value)
        if type(value) is int and abs(value) <= _SMALL_INTEGER:
            return f"({value!r})" if value < 0 else repr(value)
        if type(value) is float and math.isfinite(value):
            return f"({value!r})"
        return self.constant(value)

    def constant(self, value: object) -> str:
        """Return the name under which generated code finds `value`; equal constants share one."""
        return self._named("c", type(value).__name__, value)

    def matcher(self, pattern: str) -> str:
        """Return the name of the function that matches constant RE2 `pattern`; raises CelError if it is none."""
        return self._interned.get(("m", pattern)) or self._bound("m", pattern, matcher(pattern))

    def function(self, name: str, count: int) -> str:
        """Return the name of CEL function `name`; raises UntranslatableError if none takes `count` arguments."""
        if name not in self.functions or not accepts(self.functions[name], count):
            message = f"function `{name[:64]}` with {count} arguments has no translation"
            raise UntranslatableError(message, function=name)
        return self._interned.get(("f", name)) or self._bound("f", name, self.functions[name])

    def _named(self, prefix: str, kind: str, value: object) -> str:
        key = f"{kind} {sorted(map(repr, value)) if isinstance(value, frozenset) else value!r}"
        return self._interned.get((prefix, key)) or self._bound(prefix, key, value)

    def _bound(self, prefix: str, key: str, value: object) -> str:
        name = self._interned[prefix, key] = self.fresh(prefix)
        self.bindings[name] = value
        return name

    def load(self) -> Mapping[str, Callable[..., object]]:
        """Return the functions of all sources by name, compiled."""
        code = compile("\n".join(self.sources), "<policyengine rules>", "exec", dont_inherit=True)
        scope = dict(self.bindings)
        exec(code, scope)  # noqa: S102 - our own source: names from counters, constants by repr
        return {name: made for name, made in scope.items() if callable(made)}
