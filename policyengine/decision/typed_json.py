"""CEL values as typed JSON and back: `{"t": "int", "v": "7"}`, so that nothing is lost between two programs.

`t` is one of bool, int, uint, double, string, bytes (Base64), null, list, map (pairs), timestamp, duration, type,
optional; integers and doubles are text, because JSON readers round them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from policyengine.decision.arithmetic import int64, uint64
from policyengine.decision.encoders import decode, encode
from policyengine.decision.errors import ERRORS
from policyengine.decision.nanos import duration_text, read_duration, read_time, time_text
from policyengine.decision.values import Optional, TypeName, Uint, key_value, map_of, type_name
from policyengine.errors import PolicyEngineError
from policyengine.model.times import InvalidTimeError

_INTEGER = re.compile(r"-?\d{1,20}", re.ASCII)
_DOUBLE = re.compile(r"-?(?:\d{1,400}(?:\.\d{1,400})?(?:[eE][-+]?\d{1,4})?|Infinity)|NaN", re.ASCII)


class TypedValueError(PolicyEngineError):
    """A typed value that is not of the form it must have; `path` says where."""

    code = "cel.typed-value"

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(f"{message} at `{path}`", path=path)


def read_value(document: object, path: str = "value") -> object:
    """Return the value (of values.py) that the typed JSON `document` stands for; raises TypedValueError."""
    if not isinstance(document, dict) or not isinstance(kind := document.get("t"), str) or kind not in _READERS:
        raise TypedValueError("a value is an object with a known type `t` and `v`", path=path)
    try:
        return _READERS[kind](document.get("v"), path)
    except (*ERRORS, InvalidTimeError) as cause:
        raise TypedValueError(f"not a value of type `{kind}`", path=path) from cause


def _of(kind: type, held: object, path: str) -> object:
    if type(held) is not kind:
        raise TypedValueError(f"`v` is no {kind.__name__}", path=path)
    return held


def _text(held: object, path: str) -> str:
    return str(_of(str, held, path))


def _integer(held: object, path: str) -> int:
    text = _text(held, path)
    if not _INTEGER.fullmatch(text):
        raise TypedValueError("`v` is no decimal integer", path=path)
    return int(text)


def _double(held: object, path: str) -> float:
    text = _text(held, path)
    if not _DOUBLE.fullmatch(text):
        raise TypedValueError("`v` is no double", path=path)
    return float(text)


def _list(held: object, path: str) -> object:
    if not isinstance(held, list):
        raise TypedValueError("`v` is no list", path=path)
    return tuple(read_value(item, f"{path}[{at}]") for at, item in enumerate(held))


def _map(held: object, path: str) -> object:
    if not isinstance(held, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in held):
        raise TypedValueError("`v` is no list of pairs", path=path)
    return map_of(
        *(
            (read_value(key, f"{path}[{at}][0]"), read_value(each, f"{path}[{at}][1]"))
            for at, (key, each) in enumerate(held)
        )
    )


def _null(held: object, path: str) -> object:
    if held is not None:
        raise TypedValueError("`v` of null is null", path=path)
    return None


def _optional(held: object, path: str) -> object:
    return Optional(present=False) if held is None else Optional(present=True, value=read_value(held, path))


_READERS: Mapping[str, Callable[[object, str], object]] = {
    "bool": lambda held, path: _of(bool, held, path),
    "int": lambda held, path: int64(_integer(held, path)),
    "uint": lambda held, path: uint64(_integer(held, path)),
    "double": _double,
    "string": _text,
    "bytes": lambda held, path: decode(_text(held, path)),
    "null": _null,
    "list": _list,
    "map": _map,
    "timestamp": lambda held, path: read_time(_text(held, path)),
    "duration": lambda held, path: read_duration(_text(held, path)),
    "type": lambda held, path: TypeName(_text(held, path)),
    "optional": _optional,
}


def value_document(value: object) -> dict[str, object]:
    """Return `value` as typed JSON; a type of an extension has its name as `t` and its text as `v`."""
    match value:
        case None | bool():
            return {"t": "null" if value is None else "bool", "v": value}
        case int():
            return {"t": "uint" if isinstance(value, Uint) else "int", "v": str(int(value))}
        case float():
            return {"t": "double", "v": double_text(value)}
        case str():
            return {"t": "string", "v": value}
        case bytes():
            return {"t": "bytes", "v": encode(value)}
        case datetime():
            return {"t": "timestamp", "v": time_text(value)}
        case timedelta():
            return {"t": "duration", "v": duration_text(value)}
        case TypeName():
            return {"t": "type", "v": value.name}
        case _:
            return _collection_document(value)


def _collection_document(value: object) -> dict[str, object]:
    match value:
        case tuple():
            return {"t": "list", "v": [value_document(item) for item in value]}
        case dict():
            pairs = [[value_document(key_value(key)), value_document(held)] for key, held in value.items()]
            return {"t": "map", "v": pairs}
        case Optional():
            return {"t": "optional", "v": value_document(value.value) if value.present else None}
        case _:
            return {"t": type_name(value).name, "v": str(value)}


def double_text(value: float) -> str:
    """Return the shortest text that reads back as `value`: `1.0`, `1e+300`, `NaN`, `-Infinity`."""
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
