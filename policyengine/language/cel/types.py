"""Our types as cel-cpp's, for declarations, and cel-cpp's answers as ours."""

from __future__ import annotations

from typing import Any, cast

from cel_expr_python import cel

from policyengine.errors import PolicyEngineError
from policyengine.model.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    VERSION,
    Kind,
    Type,
    list_of,
    map_of,
    optional_of,
    struct,
)

PACKAGE = "policyengine.fact"  # the protobuf package of the fact structures
VERSION_MESSAGE = f"{PACKAGE}.version_"  # a message, so that versions can be fields; no structure's name ends so
OPTIONAL = "optional_type"

_SIMPLE = {
    Kind.BOOL: cel.Type.BOOL,
    Kind.INT: cel.Type.INT,
    Kind.UINT: cel.Type.UINT,
    Kind.DOUBLE: cel.Type.DOUBLE,
    Kind.STRING: cel.Type.STRING,
    Kind.BYTES: cel.Type.BYTES,
    Kind.NULL: cel.Type.NULL,
    Kind.TIMESTAMP: cel.Type.TIMESTAMP,
    Kind.DURATION: cel.Type.DURATION,
    Kind.TYPE: cel.Type.TYPE,
    Kind.DYN: cel.Type.DYN,
}
_PRIMITIVES = {1: BOOL, 2: INT, 3: UINT, 4: DOUBLE, 5: STRING, 6: BYTES}  # cel.expr.Type.PrimitiveType
_WELL_KNOWN = {2: TIMESTAMP, 3: DURATION}  # cel.expr.Type.WellKnownType; 1 is Any, which is dyn


class ForeignTypeError(PolicyEngineError):
    """A condition uses a protobuf message that is no fact structure."""

    code = "cel.message"


def declared(kind: Type) -> Any:
    """Return `kind` as cel-cpp's type, for a declaration."""
    if kind.kind in _SIMPLE:
        return _SIMPLE[kind.kind]
    if kind.kind is Kind.VERSION:
        return cel.Type(VERSION_MESSAGE)
    if kind.kind is Kind.STRUCT:
        return cel.Type(f"{PACKAGE}.{kind.name}")
    return _parametrised(kind)


def _parametrised(kind: Type) -> Any:
    parameters = [declared(parameter) for parameter in kind.parameters]
    match kind.kind:
        case Kind.LIST:
            return cel.Type.List(*parameters)
        case Kind.MAP:
            return cel.Type.Map(*parameters)
        case Kind.OPTIONAL:
            return cel.Type.AbstractType(OPTIONAL, parameters)
        case _:
            return cel.Type.AbstractType(kind.name, parameters)


def configured(kind: Type) -> dict[str, object]:
    """Return `kind` as cel-cpp's configuration writes types.

    The binding's `AbstractType` puts the parameters into the name, so that an optional declared with it matches no
    function of optionals; declared by configuration it does.
    """
    names = {Kind.NULL: "null", Kind.OPTIONAL: OPTIONAL, Kind.VERSION: VERSION_MESSAGE}
    named = {Kind.STRUCT: f"{PACKAGE}.{kind.name}", Kind.ABSTRACT: kind.name}
    name = named.get(kind.kind) or names.get(kind.kind, kind.kind.value)
    inner = [configured(parameter) for parameter in kind.parameters]
    return {"type_name": name, "params": inner} if inner else {"type_name": name}


def needs_configuration(kind: Type) -> bool:
    """Return whether `declared` cannot say `kind`."""
    is_abstract = kind.kind is Kind.OPTIONAL or (kind.kind is Kind.ABSTRACT and bool(kind.parameters))
    return is_abstract or any(map(needs_configuration, kind.parameters))


def checked(found: Any) -> Type:
    """Return our type for a `cel.expr.Type` message; raises ForeignTypeError for a message that is no structure."""
    form = found.WhichOneof("kind")
    match form:
        case "primitive":
            return _PRIMITIVES[found.primitive]
        case "well_known":
            return _WELL_KNOWN.get(found.well_known, DYN)
        case "null":
            return NULL
        case "type":
            return TYPE
        case "list_type":
            return list_of(checked(found.list_type.elem_type))
        case "map_type":
            return map_of(checked(found.map_type.key_type), checked(found.map_type.value_type))
        case "message_type":
            return _message(found.message_type)
        case "abstract_type":
            return _abstract(found.abstract_type)
        case _:
            return DYN  # dyn, an unbound type parameter, or a protobuf wrapper, which may be null


def _message(name: str) -> Type:
    if name == VERSION_MESSAGE:
        return VERSION
    package, _, structure = name.rpartition(".")
    if package != PACKAGE:
        raise ForeignTypeError(f"`{name}` is no type of a fact", type=name)
    return struct(structure)


def _abstract(found: Any) -> Type:
    parameters = tuple(checked(parameter) for parameter in found.parameter_types)
    if found.name == OPTIONAL:
        return optional_of(*parameters)
    name = cast("str", found.name).partition("<")[0]  # the binding adds the parameters to a declared name
    return Type(kind=Kind.ABSTRACT, name=name, parameters=parameters)
