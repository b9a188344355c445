"""Selector nodes to Selector values; a site, zone, model, class or vendor that the fleet does not have is an error."""

from __future__ import annotations

from policyengine.language.diagnostics import did_you_mean
from policyengine.language.nodes import Scalar, Step, fields, scalars
from policyengine.language.page import Page
from policyengine.language.surroundings import Surroundings
from policyengine.model.policy import Clause, Fleet, Selector
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.selection import intersection


def selector_at(page: Page, path: tuple[Step, ...], around: Surroundings) -> Selector:
    """Return the selector at `path` of the document's spec, everything when there is none."""
    return selector_of(page, path, around.fleet)


def selector_of(page: Page, path: tuple[Step, ...], fleet: Fleet | None) -> Selector:
    """Return the selector at `path` of the spec, with keys and values in canonical order."""
    node = fields(page.spec, *path)
    clauses: list[Clause] = []
    for key in node.entries:
        for operator, negated in (("in", False), ("not_in", True)):
            values = tuple(scalars(node, key, operator))
            _check_values(page, key, values, fleet)
            if values:
                clauses.append(Clause(key=key, values=tuple(str(one.value) for one in values), negated=negated))
    return intersection(Selector(clauses=tuple(clauses)))


def _check_values(page: Page, key: str, values: tuple[Scalar, ...], fleet: Fleet | None) -> None:
    known = known_values(key, fleet)
    if known is None:
        return
    for one in values:
        if one.value not in known:
            shown = str(one.value)
            page.error(one, "selector.unknown-value", f"there is no {key} `{shown}`", did_you_mean(shown, known))


def known_values(key: str, fleet: Fleet | None) -> frozenset[str] | None:
    """Return the values that `key` can have, or None when they cannot be listed."""
    if key in ("criticality", "lifecycle"):
        return frozenset(CORE_SCHEMA.field(("device", key)).values)
    if fleet is None:
        return None
    models = fleet.models.values()
    lists = {
        "model": frozenset(fleet.models),
        "class": frozenset(model.device_class for model in models),
        "vendor": frozenset(model.vendor for model in models),
        "site": frozenset(fleet.sites),
        "zone": frozenset(fleet.zones),
    }
    return lists.get(key)
