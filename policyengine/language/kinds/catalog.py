"""Kinds FactSchema and ControlCatalog: the fleet's own facts, and the clauses that policies serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policyengine.language.nodes import YamlNode, at, fields, items, text
from policyengine.language.page import Page
from policyengine.model.policy import Control
from policyengine.model.types import (
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    VERSION,
    Type,
    list_of,
)

TYPES: Mapping[str, Type] = {
    "bool": BOOL,
    "int": INT,
    "double": DOUBLE,
    "string": STRING,
    "duration": DURATION,
    "timestamp": TIMESTAMP,
    "version": VERSION,
}


def type_at(node: YamlNode) -> Type:
    """Return the type written at `node.type`: `int`, or `[int]` for a list of `int`."""
    single = text(node, "type")
    return TYPES[single] if single is not None else list_of(TYPES[text(node, "type", 0) or "string"])


def read_facts(pages: Iterable[Page]) -> dict[str, Type]:
    """Return the types of the facts below `org`, by their name there, from all documents of kind FactSchema."""
    found: dict[str, Type] = {}
    for page in pages:
        declared = fields(page.spec, "facts")
        for path, node in declared.entries.items():
            name = path.removeprefix("org.")
            if name in found:
                message = f"the fact `{path}` is declared twice"
                page.error(declared.keys[path], "facts.duplicate", message, "remove one of the two")
            found.setdefault(name, type_at(node))
    return {name: found[name] for name in sorted(found)}


def read_controls(pages: Iterable[Page]) -> dict[str, Control]:
    """Return all controls by id."""
    found: dict[str, Control] = {}
    for page in pages:
        for node in items(page.spec, "controls"):
            control = _control(page, node)
            if control.id in found:
                message = f"the control `{control.id}` is declared twice"
                page.error(at(node, "id") or node, "controls.duplicate", message, "remove one of the two")
            found.setdefault(control.id, control)
    return {name: found[name] for name in sorted(found)}


def _control(page: Page, node: YamlNode) -> Control:
    return Control(
        id=text(node, "id") or "",
        title=text(node, "title") or "",
        source=text(page.spec, "source") or "",
        edition=text(page.spec, "edition") or "",
    )
