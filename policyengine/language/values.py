"""Values of params and facts: YAML nodes checked against a type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from policyengine.language.diagnostics import did_you_mean
from policyengine.language.nodes import Fields, Items, Scalar, YamlNode
from policyengine.language.page import Page
from policyengine.language.scalars import resolve
from policyengine.model.schema import FactSchema, FieldSpec
from policyengine.model.times import InvalidTimeError, parse_duration, parse_moment
from policyengine.model.types import Kind, Type
from policyengine.model.version import MAX_VERSION

MAX_LENGTH = timedelta(days=36_525)  # 100 years: added to any time we see it is still a time, and whole in JSON
NO_LENGTH = timedelta(microseconds=1)  # what stands for a length that was reported: shorter than any that is written

NO_MOMENT = datetime.max.replace(tzinfo=UTC)  # in place of a time that is none, which is reported

_NAMES = {
    Kind.BOOL: "`true` or `false`",
    Kind.INT: "a whole number",
    Kind.DOUBLE: "a number",
    Kind.STRING: "text",
    Kind.DURATION: "a duration such as `24h`",
    Kind.TIMESTAMP: "a timestamp such as `2026-11-23T00:00:00Z`",
    Kind.VERSION: "a version such as `4.2.1`, as text",
    Kind.LIST: "a list",
    Kind.MAP: "a mapping",
    Kind.STRUCT: "a mapping",
}


def param_value(page: Page, node: YamlNode, kind: Type) -> object:
    """Return the value at `node` as params hold it (times and versions as text); None, and a report, if ill-typed."""
    if kind.kind is Kind.LIST:
        return _list(page, node, kind)
    value = _atom(page, node, kind)
    is_time = isinstance(value, datetime | timedelta)
    return node.value if is_time and isinstance(node, Scalar) else value


def _list(page: Page, node: YamlNode, kind: Type) -> object:
    if not isinstance(node, Items):
        _wrong(page, node, kind)
        return None
    values = tuple(param_value(page, item, kind.parameters[0]) for item in node.items)
    return None if None in values else values


def fact_value(page: Page, node: YamlNode, spec: FieldSpec, schema: FactSchema) -> object:
    """Return the value at `node` as Facts hold it (times parsed); None, and a report, if it is not of its type."""
    kind = spec.type
    if kind.kind is Kind.STRUCT:
        return _mapping(page, node, kind, schema.structs[kind.name], schema)
    if kind.kind is Kind.MAP:
        value_of_any_key = FieldSpec(type=kind.parameters[1], meaning=spec.meaning)
        keys = node.entries if isinstance(node, Fields) else ()
        return _mapping(page, node, kind, dict.fromkeys(keys, value_of_any_key), schema)
    if kind.kind is Kind.LIST:
        return _fact_list(page, node, spec, schema)
    return _atom(page, node, kind)


def _fact_list(page: Page, node: YamlNode, spec: FieldSpec, schema: FactSchema) -> object:
    if not isinstance(node, Items):
        _wrong(page, node, spec.type)
        return None
    if spec.maximum is not None and len(node.items) > spec.maximum:
        page.error(
            node, "value.too-many", f"a list of {len(node.items)} is longer than {spec.maximum}", "test with fewer"
        )
        return None
    element = FieldSpec(type=spec.type.parameters[0], meaning=spec.meaning)
    values = tuple(fact_value(page, item, element, schema) for item in node.items)
    return None if None in values else values


def _mapping(page: Page, node: YamlNode, kind: Type, known: Mapping[str, FieldSpec], schema: FactSchema) -> object:
    if not isinstance(node, Fields):
        _wrong(page, node, kind)
        return None
    found: dict[str, object] = {}
    for name, value in node.entries.items():
        if name not in known:
            advice = did_you_mean(name, known)
            page.error(node.keys[name], "facts.undeclared", f"fact `{name}` is not declared here", advice)
        else:
            found[name] = fact_value(page, value, known[name], schema)
    return found


def _atom(page: Page, node: YamlNode, kind: Type) -> object:
    if not isinstance(node, Scalar):
        _wrong(page, node, kind)
        return None
    value = node.value
    match kind.kind:
        case Kind.BOOL if isinstance(value, bool):
            return value
        case Kind.INT if isinstance(value, int) and not isinstance(value, bool):
            return value
        case Kind.DOUBLE if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        case Kind.STRING if isinstance(value, str):
            return value
        case Kind.VERSION if isinstance(value, str) and 0 < len(value) <= MAX_VERSION:
            return value
        case Kind.DURATION | Kind.TIMESTAMP if isinstance(value, str):
            return _time(page, node, kind)
        case _:
            _wrong(page, node, kind)
            return None


def _time(page: Page, node: Scalar, kind: Type) -> object:
    written = str(node.value)
    try:
        return parse_duration(written) if kind.kind is Kind.DURATION else parse_moment(written)
    except InvalidTimeError as problem:
        page.error(node, "value.time", f"`{written[:80]}` is refused: {problem.message}", f"write {_NAMES[kind.kind]}")
        return None


def _wrong(page: Page, node: YamlNode, kind: Type) -> None:
    if isinstance(node, Scalar) and isinstance(node.value, float | int) and kind.kind in (Kind.STRING, Kind.VERSION):
        page.error(node, "value.type", f"`{node.value}` without quotes is not text", f'write "{node.value}" in quotes')
        return
    if isinstance(node, Scalar) and isinstance(node.value, str) and _is_quoted(node.value, kind):
        message = f'`"{node.value[:80]}"` in quotes is text, not {_NAMES[kind.kind]}'
        page.error(node, "value.type", message, "remove the quotes")
        return
    shown = f"`{str(node.value)[:80]}`" if isinstance(node, Scalar) else "this"
    page.error(node, "value.type", f"{shown} is not {_NAMES[kind.kind]}", f"write {_NAMES[kind.kind]}")


def _is_quoted(written: str, kind: Type) -> bool:
    """Return whether `written` without its quotes would be of type `kind`."""
    bare = resolve(written)
    match kind.kind:
        case Kind.BOOL:
            return isinstance(bare, bool)
        case Kind.INT:
            return isinstance(bare, int) and not isinstance(bare, bool)
        case Kind.DOUBLE:
            return isinstance(bare, int | float) and not isinstance(bare, bool)
        case _:
            return False


def duration_at(page: Page, node: YamlNode) -> timedelta:
    """Return the duration at `node`; zero, and a report, when it cannot be one."""
    found = _time(page, node, Type(kind=Kind.DURATION)) if isinstance(node, Scalar) else None
    return found if isinstance(found, timedelta) else timedelta()


def length_at(page: Page, node: YamlNode) -> timedelta:
    """Return the duration at `node`, longer than zero; one microsecond, and a report, when it is not."""
    found = _time(page, node, Type(kind=Kind.DURATION)) if isinstance(node, Scalar) else None
    if found == timedelta():
        page.error(node, "value.zero", "this must be longer than zero", "write a duration such as `24h`")
    if isinstance(found, timedelta) and found > MAX_LENGTH:
        page.error(node, "value.time", "this is longer than 100 years", "write a duration such as `24h`")
    return min(found, MAX_LENGTH) if isinstance(found, timedelta) and found else NO_LENGTH


def moment_at(page: Page, node: YamlNode) -> datetime:
    """Return the moment at `node`; the end of time, and a report, when it cannot be one."""
    found = _time(page, node, Type(kind=Kind.TIMESTAMP)) if isinstance(node, Scalar) else None
    return found if isinstance(found, datetime) else NO_MOMENT
