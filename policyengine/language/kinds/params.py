"""Params: typed values with a direction, and whether a binding moves one to the looser side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from policyengine.language.kinds.catalog import type_at
from policyengine.language.nodes import Fields, YamlNode, at, fields, scalars, text
from policyengine.language.page import Page
from policyengine.language.surroundings import Surroundings, party_at, party_names
from policyengine.language.values import param_value
from policyengine.model.param_strictness import Growth, strictness
from policyengine.model.policy import Model, ParamSpec, Rule, Tighter
from policyengine.model.times import parse_duration, parse_moment
from policyengine.model.types import Kind, Type
from policyengine.model.version import VersionError, key_function

_UNORDERED = frozenset({Kind.STRING})


def read_params(page: Page, around: Surroundings) -> dict[str, ParamSpec]:
    """Return the policy's params by name; one whose default is ill-typed is reported and left out."""
    declared = fields(page.spec, "params")
    found = (_param(page, name, declared.entries[name], around) for name in sorted(declared.entries))
    return {spec.name: spec for spec in found if spec is not None}


def _param(page: Page, name: str, node: YamlNode, around: Surroundings) -> ParamSpec | None:
    kind = type_at(node)
    _check_direction(page, name, node, kind)
    for one in scalars(node, "tunable_by"):
        party_at(page, one, str(one.value), around)
    default_node = at(node, "default") or node
    default = param_value(page, default_node, kind)
    if default is None:
        return None
    tighter = text(node, "tighter")
    return ParamSpec(
        name=name,
        type=kind,
        default=default,
        tighter=None if tighter is None else Tighter(tighter),
        tunable_by=party_names(tuple(str(one.value) for one in scalars(node, "tunable_by"))),
    )


def _check_direction(page: Page, name: str, node: YamlNode, kind: Type) -> None:
    direction = at(node, "tighter")
    if direction is not None and kind.kind in _UNORDERED:
        advice = "remove `tighter`; every change of this param then needs the right `loosen`"
        page.error(direction, "params.direction", f"param `{name}` is text, which is neither higher nor lower", advice)


def check_directions(page: Page, specs: Mapping[str, ParamSpec], rules: Iterable[Rule]) -> None:
    """Report params whose `tighter` is the side on which a rule becomes looser."""
    written = fields(page.spec, "params")
    for rule in rules:
        for name, spec in specs.items():
            found = strictness((rule,), name)
            if spec.tighter is None or not isinstance(found, Tighter) or found is spec.tighter:
                continue
            node = at(written.entries[name], "tighter") or key_node(written, name)
            message = f"a {spec.tighter.value} `params.{name}` makes rule `{rule.id}` looser, not tighter"
            page.error(node, "params.contradicted", message, f"write `tighter: {found.value}`, or correct the rule")


def loosens(spec: ParamSpec, value: object, rules: tuple[Rule, ...], models: Iterable[Model]) -> bool:
    """Return whether `value` may be looser in `rules` than the default of `spec`; when in doubt it is.

    Versions are compared under the schemes of all `models`.
    """
    if value == spec.default:
        return False
    if spec.tighter is None or strictness(rules, spec.name) is Growth.UNCLEAR:
        return True
    low, high = (spec.default, value) if spec.tighter is Tighter.HIGHER else (value, spec.default)
    return not all(_at_most(spec.type, low, high, model) for model in _comparisons(spec.type, models))


def _comparisons(kind: Type, models: Iterable[Model]) -> list[Model | None]:
    """Return the models under whose version schemes to compare; one comparison without a model for other types."""
    return list(models) if kind.kind is Kind.VERSION else [None]


def _at_most(kind: Type, low: Any, high: Any, model: Model | None) -> bool:
    if kind.kind is Kind.LIST:
        return set(low) <= set(high)
    if kind.kind is Kind.VERSION:
        return model is not None and _version_at_most(model, low, high)
    key = _KEYS.get(kind.kind)
    return bool(key(low) <= key(high)) if key else bool(low <= high)


def _version_at_most(model: Model, low: str, high: str) -> bool:
    try:
        key = key_function(model.version_scheme, model.versions)
        return bool(key(low) <= key(high))
    except VersionError:
        return False


_KEYS: Mapping[Kind, Callable[[str], Any]] = {Kind.DURATION: parse_duration, Kind.TIMESTAMP: parse_moment}


def set_params(page: Page, specs: Mapping[str, ParamSpec]) -> dict[str, object]:
    """Return the values that a binding's `params` set, of those that `specs` declare; reports ill-typed ones."""
    given = fields(page.spec, "params")
    found = {name: param_value(page, node, specs[name].type) for name, node in given.entries.items() if name in specs}
    return {name: value for name, value in found.items() if value is not None}


def key_node(given: Fields, name: str) -> YamlNode:
    """Return where the param `name` is set."""
    return given.keys.get(name, given)
