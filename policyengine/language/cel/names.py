"""What a name in a condition means: a fact, `now`, a param, a let, a variable of the caller, or a type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policyengine.language.cel.functions import TYPE_NAMES
from policyengine.language.cel.text import LET, LET_NAME
from policyengine.model.expression import Fact, Literal, Node, Now, Param, Variable
from policyengine.model.types import TYPE, Type

NOW = "now"
PARAMS = "params"

_TYPES = """
    bool int uint double string bytes list map type null_type optional_type
    google.protobuf.Timestamp google.protobuf.Duration
"""
_TYPE_NAMES = frozenset(_TYPES.split()) | TYPE_NAMES
_NAMESPACES = frozenset({"base64", "cel", "ip", "lists", "math", "optional", "regex", "sets", "strings"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The global names of one environment. `facts` are the groups; `variables` those of plain CEL."""

    facts: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    container: str = ""

    def node(self, name: str, kind: Type, offset: int) -> Node:
        """Return the node for the resolved global `name`."""
        group, _, rest = name.partition(".")
        if name in self.facts:
            return Fact(path=(name,), type=kind, offset=offset)
        if self.facts and name == NOW:
            return Now(type=kind, offset=offset)
        if self.facts and group == PARAMS:
            return Param(name=rest, type=kind, offset=offset)
        if self.facts and group == LET_NAME:
            return Variable(name=f"{LET}.{rest}", type=kind, offset=offset)
        if (kind == TYPE or name in TYPE_NAMES) and name not in self.variables:
            return Literal(value=name, type=TYPE, offset=offset)
        return Variable(name=name, type=kind, offset=offset)

    @property
    def is_plain(self) -> bool:
        """Whether this is CEL without facts."""
        return not self.facts

    def resolve(self, steps: Sequence[str]) -> tuple[str, int]:
        """Return the name that the unchecked `a.b.c` starts with, and how many of its steps that is.

        The longest name wins, and among equals the innermost container (langdef.md, "Name Resolution").
        """
        for taken in range(len(steps), 0, -1):
            for name in self._candidates(".".join(steps[:taken])):
                if name in self.variables or name in _TYPE_NAMES:
                    return name, taken
        return steps[0].lstrip("."), 1

    def _candidates(self, name: str) -> Iterator[str]:
        if name.startswith("."):
            yield name[1:]
            return
        container = self.container
        while container:
            yield f"{container}.{name}"
            container = container.rpartition(".")[0]
        yield name

    def is_type(self, name: str) -> bool:
        """Return whether the resolved `name` denotes a type in unchecked text."""
        return name in _TYPE_NAMES and name not in self.variables

    def is_namespace(self, name: str) -> bool:
        """Return whether unchecked `name.function(...)` calls a function of the library `name`."""
        return name in _NAMESPACES and name not in self.variables
