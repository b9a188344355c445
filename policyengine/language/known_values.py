"""Texts that a fact never has: `boot.mode != "debgu"` holds on every device, and nobody would notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policyengine.language.cel.text import LET
from policyengine.language.diagnostics import did_you_mean
from policyengine.language.nodes import Scalar
from policyengine.language.page import Page
from policyengine.language.selectors import known_values
from policyengine.model.expression import Bind, Call, Fact, ListOf, Literal, Node, Select, children
from policyengine.model.policy import Fleet
from policyengine.model.schema import FactSchema
from policyengine.model.types import Kind

Path = tuple[str, str]  # the structure, such as `boot` or `software`, and its field
_COMPARISONS = frozenset({"_==_", "_!=_", "@in"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Where the values that facts can have are listed: the fact schema, and the fleet for sites, models and so on."""

    schema: FactSchema
    fleet: Fleet | None

    def check(self, page: Page, written: Scalar, condition: Node) -> None:
        """Warn of every text in `condition`, which is `written` there, that the fact it is compared with never has."""
        for path, literal in _compared(condition):
            known = self._values(path)
            if known and str(literal.value) not in known:
                shown = str(literal.value)
                message = f"`{'.'.join(path)}` is never `{shown}`"
                advice = did_you_mean(shown, known)
                page.warning_inside(written, literal.offset, "cel.unknown-value", message, advice)

    def _values(self, path: Path) -> frozenset[str]:
        group, name = path
        spec = self.schema.structs.get(group, {}).get(name)
        of_fleet = known_values(name, self.fleet) if group == "device" else None
        return of_fleet or frozenset(() if spec is None else spec.values)


def _compared(node: Node) -> Iterator[tuple[Path, Literal]]:
    """Yield each fact with each text that it is compared with; a `let` stands in a text of its own."""
    if isinstance(node, Call) and node.function in _COMPARISONS:
        for one, other in (node.arguments, node.arguments[::-1]):
            path = _path(one)
            yield from ((path, literal) for literal in _texts(other) if path is not None)
    below = (node.body,) if isinstance(node, Bind) and node.name.startswith(f"{LET}.") else children(node)
    for child in below:
        yield from _compared(child)


def _path(node: Node) -> Path | None:
    """Return the fact that `node` is, None for anything else."""
    match node:
        case Fact(path=(group, name)):
            return (group, name)
        case Select(operand=operand, name=name) if operand.type.kind is Kind.STRUCT:
            return (operand.type.name, name)
        case _:
            return None


def _texts(node: Node) -> Iterator[Literal]:
    for one in node.items if isinstance(node, ListOf) else (node,):
        if isinstance(one, Literal) and isinstance(one.value, str):
            yield one
