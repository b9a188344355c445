"""The fact schema for people and programs: a flat listing, and the JSON Schema that facts files are checked against."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.model.schema import FactSchema, FieldSpec
from policyengine.model.types import Kind, Type

_JSON_TYPES: Mapping[Kind, Mapping[str, object]] = {
    Kind.BOOL: {"type": "boolean"},
    Kind.INT: {"type": "integer"},
    Kind.DOUBLE: {"type": "number"},
    Kind.STRING: {"type": "string"},
    Kind.VERSION: {"type": "string"},
    Kind.TIMESTAMP: {"type": "string", "format": "date-time"},
    Kind.DURATION: {"type": "string", "pattern": "^-?([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h|d))+$"},
}


_NOW: Mapping[str, object] = {"path": "now", "type": "timestamp", "meaning": "time of the decision"}


def type_name(kind: Type) -> str:
    """Return a type as policies name it: `int`, `[string]`, `{string: string}`, or a structure's name."""
    match kind.kind:
        case Kind.LIST:
            return f"[{type_name(kind.parameters[0])}]"
        case Kind.MAP:
            return f"{{{type_name(kind.parameters[0])}: {type_name(kind.parameters[1])}}}"
        case Kind.STRUCT | Kind.ABSTRACT:
            return kind.name
        case plain:
            return str(plain.value)


def listing(schema: FactSchema) -> tuple[Mapping[str, object], ...]:
    """Return every fact, and `now`, as `{path, type, meaning}` with `unit`, `values`, `maximum` where it has them."""
    return (*(_entry(schema, path, spec) for path, spec in schema.leaves()), _NOW)


def _entry(schema: FactSchema, path: tuple[str, ...], spec: FieldSpec) -> Mapping[str, object]:
    entry: dict[str, object] = {"path": _written(schema, path), "type": type_name(spec.type), "meaning": spec.meaning}
    if spec.unit:
        entry["unit"] = spec.unit
    if spec.values:
        entry["values"] = list(spec.values)
    if spec.maximum is not None:
        entry["maximum"] = spec.maximum
    return entry


def _written(schema: FactSchema, path: tuple[str, ...]) -> str:
    """Return the path with `[]` after each list that it goes through: `software[].name`."""
    steps = []
    for end, step in enumerate(path, start=1):
        inner = end < len(path) and schema.type_of(path[:end]).kind is Kind.LIST
        steps.append(f"{step}[]" if inner else step)
    return ".".join(steps)


def facts_json_schema(schema: FactSchema) -> Mapping[str, object]:
    """Return the JSON Schema (2020-12) of the `facts` member of a facts file; no fact is required."""
    groups = {name: _property(schema, spec) for name, spec in schema.roots.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Facts of one device",
        **_object(groups),
    }


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def _property(schema: FactSchema, spec: FieldSpec) -> dict[str, object]:
    described = {**_shape(schema, spec.type, spec.maximum), "description": spec.meaning}
    return {**described, "examples": list(spec.values)} if spec.values else described


def _shape(schema: FactSchema, kind: Type, maximum: int | None) -> dict[str, object]:
    match kind.kind:
        case Kind.STRUCT:
            return _object({name: _property(schema, spec) for name, spec in schema.structs[kind.name].items()})
        case Kind.LIST:
            bound = {} if maximum is None else {"maxItems": maximum}
            return {"type": "array", "items": _shape(schema, kind.parameters[0], None), **bound}
        case Kind.MAP:
            bound = {} if maximum is None else {"maxProperties": maximum}
            return {"type": "object", "additionalProperties": _shape(schema, kind.parameters[1], None), **bound}
        case plain:
            return dict(_JSON_TYPES[plain])
