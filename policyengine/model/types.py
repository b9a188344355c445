"""The types a condition can have: CEL's, plus `version` and our extension types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The kinds of type; only LIST, MAP, OPTIONAL and STRUCT have parameters."""

    BOOL = "bool"
    INT = "int"
    UINT = "uint"
    DOUBLE = "double"
    STRING = "string"
    BYTES = "bytes"
    NULL = "null"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    VERSION = "version"
    TYPE = "type"
    DYN = "dyn"
    LIST = "list"
    MAP = "map"
    OPTIONAL = "optional"
    STRUCT = "struct"  # a fact group or a list element; `name` says which
    ABSTRACT = "abstract"  # semver, ip, cidr, ...; `name` says which


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """One type. `parameters` are element (LIST, OPTIONAL) or key and value (MAP); `name` is for STRUCT and ABSTRACT."""

    kind: Kind
    parameters: tuple[Type, ...] = ()
    name: str = ""


BOOL = Type(kind=Kind.BOOL)
INT = Type(kind=Kind.INT)
UINT = Type(kind=Kind.UINT)
DOUBLE = Type(kind=Kind.DOUBLE)
STRING = Type(kind=Kind.STRING)
BYTES = Type(kind=Kind.BYTES)
NULL = Type(kind=Kind.NULL)
TIMESTAMP = Type(kind=Kind.TIMESTAMP)
DURATION = Type(kind=Kind.DURATION)
VERSION = Type(kind=Kind.VERSION)
TYPE = Type(kind=Kind.TYPE)
DYN = Type(kind=Kind.DYN)


def list_of(element: Type) -> Type:
    """Return the type of a list of `element`."""
    return Type(kind=Kind.LIST, parameters=(element,))


def map_of(key: Type, value: Type) -> Type:
    """Return the type of a map from `key` to `value`."""
    return Type(kind=Kind.MAP, parameters=(key, value))


def optional_of(value: Type) -> Type:
    """Return CEL's optional type of `value`."""
    return Type(kind=Kind.OPTIONAL, parameters=(value,))


def struct(name: str) -> Type:
    """Return the type of the fact structure called `name` (a group, or the element of a fact list)."""
    return Type(kind=Kind.STRUCT, name=name)
