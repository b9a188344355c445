"""The function table: CEL's name of each function and operator, and what computes it on any values.

Generated code calls these where the static types do not allow a plain Python operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from inspect import signature

from policyengine.decision import (
    arithmetic,
    convert,
    encoders,
    formatting,
    lists,
    maths,
    network,
    optionals,
    patterns,
    semver,
    strings,
    times,
    values,
)

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
    "format": formatting.format_text,
    "strings.quote": formatting.quote,
    "base64.encode": encoders.encode,
    "base64.decode": encoders.decode,
    "regex.replace": patterns.replace,
    "regex.extract": patterns.extract,
    "regex.extractAll": patterns.extract_all,
}
_LISTS: Mapping[str, Function] = {
    "lists.range": lists.numbers,
    "distinct": lists.distinct,
    "flatten": lists.flatten,
    "first": lists.first,
    "last": lists.last,
    "slice": lists.part,
    "sort": lists.ordered,
    "@sortByAssociatedKeys": lists.by_keys,
    "sets.contains": lists.superset,
    "sets.equivalent": lists.equivalent,
    "sets.intersects": lists.intersects,
}
_MATHS: Mapping[str, Function] = {
    "math.@max": maths.greatest,
    "math.@min": maths.least,
    "math.abs": maths.absolute,
    "math.ceil": maths.ceil,
    "math.floor": maths.floor,
    "math.round": maths.nearest,
    "math.trunc": maths.trunc,
    "math.sign": maths.sign,
    "math.sqrt": maths.root,
    "math.isNaN": maths.is_nan,
    "math.isInf": maths.is_infinite,
    "math.isFinite": maths.is_finite,
    "math.bitAnd": maths.bit_and,
    "math.bitOr": maths.bit_or,
    "math.bitXor": maths.bit_xor,
    "math.bitNot": maths.bit_not,
    "math.bitShiftLeft": maths.shift_left,
    "math.bitShiftRight": maths.shift_right,
}
_NETWORK: Mapping[str, Function] = {
    "ip": network.address,
    "cidr": network.block,
    "isIP": network.is_address,
    "isCIDR": network.is_block,
    "ip.isCanonical": network.is_canonical,
    "family": network.family,
    "isUnspecified": network.is_unspecified,
    "isLoopback": network.is_loopback,
    "isLinkLocalUnicast": network.is_link_local_unicast,
    "isLinkLocalMulticast": network.is_link_local_multicast,
    "isGlobalUnicast": network.is_global_unicast,
    "containsIP": network.contains_address,
    "containsCIDR": network.contains_block,
    "masked": network.masked,
    "isMask": network.is_mask,
    "prefixLength": network.prefix_length,
}
_SEMVER: Mapping[str, Function] = {
    "semver": semver.semver,
    "isSemver": semver.is_semver,
    "isGreaterThan": semver.is_greater,
    "isLessThan": semver.is_less,
    "compareTo": semver.compare,
    "major": semver.major,
    "minor": semver.minor,
    "patch": semver.patch,
}
_OPTIONALS: Mapping[str, Function] = {
    "optional.of": optionals.of,
    "optional.ofNonZeroValue": optionals.of_non_zero,
    "optional.none": optionals.none,
    "hasValue": optionals.has_value,
    "value": optionals.value_of,
    "or": optionals.or_else,
    "orValue": optionals.or_value,
    "@orValueOfPlain": optionals.or_value_of_plain,
}

FUNCTIONS: Mapping[str, Function] = {
    **_OPERATORS,
    **_CONVERSIONS,
    **_STRINGS,
    **_LISTS,
    **_MATHS,
    **_NETWORK,
    **_SEMVER,
    **_OPTIONALS,
    **times.ACCESSORS,
}
