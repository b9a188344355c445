"""Message templates: text with `{fact.path}`, and nothing else in braces."""

from __future__ import annotations

import re
from collections.abc import Callable

from policyengine.language.diagnostics import did_you_mean
from policyengine.language.nodes import Scalar
from policyengine.language.page import Page
from policyengine.model.schema import FactSchema, UnknownFactError
from policyengine.model.types import Kind, Type

_PART = re.compile(r"\{([^{}]*)\}|[{}]")

Refusal = tuple[str, str, str]  # code, message, help


def check_message(page: Page, node: Scalar, schema: FactSchema) -> None:
    """Report braces in the message at `node` that do not hold the path of a single fact."""
    _check(page, node, lambda path: _refuse_fact(path, schema))


def check_device_template(page: Page, node: Scalar, schema: FactSchema) -> None:
    """Report braces in the name at `node` that do not hold a `device.*` fact: certificates name only those."""
    _check(page, node, lambda path: _refuse_device_fact(path, schema))


def _check(page: Page, node: Scalar, refusal: Callable[[str], Refusal | None]) -> None:
    for found in _PART.finditer(str(node.value)):
        if found[1] is None:
            advice = "write `{fact.path}`; braces cannot be escaped"
            page.error_inside(node, found.start(), "template.brace", "a brace without its partner", advice)
            continue
        refused = refusal(found[1])
        if refused is not None:
            page.error_inside(node, found.start() + 1, *refused)


def _refuse_fact(path: str, schema: FactSchema) -> Refusal | None:
    parts = tuple(path.split("."))
    try:
        found = schema.type_of(parts)
    except UnknownFactError:
        known = [".".join(one) for one, _ in schema.leaves()]
        advice = did_you_mean(path, known) or "only facts may stand in braces"
        return ("template.unknown-fact", f"fact `{path[:80]}` is not declared", advice)
    if _is_compound(found) or _crosses_list(parts, schema):
        return ("template.not-single", f"fact `{path}` is not a single value", "name one value, such as `boot.mode`")
    return None


def _is_compound(found: Type) -> bool:
    element = found.parameters[0] if found.kind is Kind.LIST else found
    return element.kind in (Kind.STRUCT, Kind.MAP)


def _crosses_list(parts: tuple[str, ...], schema: FactSchema) -> bool:
    return any(schema.type_of(parts[:length]).kind is Kind.LIST for length in range(1, len(parts)))


def _refuse_device_fact(path: str, schema: FactSchema) -> Refusal | None:
    refused = _refuse_fact(path, schema)
    if refused is None and not path.startswith("device."):
        return ("template.not-device", f"a certificate cannot name `{path}`", "only `device.*` facts may stand here")
    return refused
