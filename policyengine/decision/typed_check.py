"""Whether a value has a declared type: generated code relies on declarations, so what comes from outside is checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from policyengine.decision.values import Optional, TypeName, Uint, key_value
from policyengine.model.types import Kind, Type

_EXACT: Mapping[Kind, tuple[type, ...]] = {
    Kind.BOOL: (bool,),
    Kind.INT: (int,),
    Kind.UINT: (Uint,),
    Kind.DOUBLE: (float,),
    Kind.STRING: (str,),
    Kind.BYTES: (bytes,),
    Kind.NULL: (type(None),),
    Kind.TYPE: (TypeName,),
}


def has_type(value: object, kind: Type) -> bool:
    """Return whether `value` (of values.py) is of type `kind`; anything is `dyn`, nothing is an extension's type."""
    match kind.kind:
        case Kind.DYN:
            return True
        case Kind.TIMESTAMP:
            return isinstance(value, datetime)
        case Kind.DURATION:
            return isinstance(value, timedelta)
        case Kind.LIST:
            return isinstance(value, tuple) and all(has_type(item, kind.parameters[0]) for item in value)
        case Kind.MAP:
            return isinstance(value, dict) and all(_entry(key, held, kind) for key, held in value.items())
        case Kind.OPTIONAL:
            return isinstance(value, Optional) and (not value.present or has_type(value.value, kind.parameters[0]))
        case _:
            return type(value) in _EXACT.get(kind.kind, ())


def _entry(key: object, value: object, kind: Type) -> bool:
    return has_type(key_value(key), kind.parameters[0]) and has_type(value, kind.parameters[1])
