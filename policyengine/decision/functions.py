"""The function table: CEL's name of each function and operator, and what computes it on any values.

Generated code calls these where the static types do not allow a plain Python operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from inspect import signature

from policyengine.decision import arithmetic, convert, optionals, strings, times, values

Function = Callable[..., object]


@cache
def accepts(function: Function, count: int) -> bool:
    """Return whether `function` takes `count` arguments."""
    try:
        signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


_OPERATORS: Mapping[str, Function] = {
    "_==_": values.equal,
    "_!=_": values.not_equal,
    "_<_": values.less,
    "_<=_": values.less_equal,
    "_>_": values.greater,
    "_>=_": values.greater_equal,
    "_+_": arithmetic.add,
    "_-_": arithmetic.subtract,
    "_*_": arithmetic.multiply,
    "_/_": arithmetic.divide,
    "_%_": arithmetic.modulo,
    "-_": arithmetic.negate,
    "!_": arithmetic.logical_not,
    "@in": values.contains,
    "_[_]": optionals.index,
    "_[?_]": optionals.at,
    "size": values.size,
}
_CONVERSIONS: Mapping[str, Function] = {
    "int": convert.to_int,
    "uint": convert.to_uint,
    "double": convert.to_double,
    "string": convert.to_string,
    "bytes": convert.to_bytes,
    "bool": convert.to_bool,
    "dyn": convert.to_dyn,
    "type": values.type_name,
    "timestamp": times.timestamp,
    "duration": times.duration,
}
_STRINGS: Mapping[str, Function] = {
    "contains": strings.contains,
    "startsWith": strings.starts_with,
    "endsWith": strings.ends_with,
    "matches": strings.matches,
    "charAt": strings.char_at,
    "indexOf": strings.index_of,
    "lastIndexOf": strings.last_index_of,
    "lowerAscii": strings.lower_ascii,
    "upperAscii": strings.upper_ascii,
    "replace": strings.replace,
    "split": strings.split,
    "join": strings.join,
    "substring": strings.substring,
    "trim": strings.trim,
    "reverse": strings.reverse,
}
_OPTIONALS: Mapping[str, Function] = {
    "optional.of": optionals.of,
    "optional.ofNonZeroValue": optionals.of_non_zero,
    "optional.none": optionals.none,
    "hasValue": optionals.has_value,
    "value": optionals.value_of,
    "or": optionals.or_else,
    "orValue": optionals.or_value,
}

FUNCTIONS: Mapping[str, Function] = {**_OPERATORS, **_CONVERSIONS, **_STRINGS, **_OPTIONALS, **times.ACCESSORS}
