"""CEL's functions for the slow interpreter; they share no code with the engine."""

from __future__ import annotations

import base64
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from datetime import timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from tests.property.oracle_libraries import LIBRARIES, precedence
from tests.property.oracle_values import (
    EPOCH,
    NOTHING,
    NUMBERS,
    ORDERED,
    UnknownError,
    Value,
    boolean,
    equal,
    less,
    moment,
    number,
    sequence,
    some,
    span,
    text,
    unsigned,
)

SECOND = 10**9
Function = Callable[..., Value]


def of(kinds: str, *values: Value) -> tuple[Any, ...]:
    """Return what `values` hold; unknown unless each is of its kind in `kinds`, such as `string int`."""
    if len(kinds.split()) != len(values) or any(
        value.kind != kind for value, kind in zip(values, kinds.split(), strict=True)
    ):
        raise UnknownError
    return tuple(value.held for value in values)


def overloaded(forms: Mapping[str, Callable[..., Value]]) -> Function:
    def call(*values: Value) -> Value:
        compute = forms.get(" ".join(value.kind for value in values))
        if compute is None:
            raise UnknownError
        return compute(*(value.held for value in values))

    return call


def double(held: float) -> Value:
    return Value("double", float(held))


def _divided(a: float, b: float) -> Value:
    if b:
        return double(a / b)
    if a != a or not a:
        return double(math.nan)
    return double(math.copysign(math.inf, a) * math.copysign(1.0, b))


def _quotient(a: int, b: int) -> int:
    if not b:
        raise UnknownError
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _remainder(a: int, b: int) -> Value:
    number(_quotient(a, b))
    return number(a - b * _quotient(a, b))


def _joined(a: str, b: str) -> Value:
    return text(a + b)


def _compare(test: Callable[[Value, Value], bool]) -> Function:
    return lambda a, b: boolean(test(a, b))


def _less_equal(a: Value, b: Value) -> bool:
    if "double" in (a.kind, b.kind) and any(value.held != value.held for value in (a, b)):
        return False
    return not less(b, a)


OPERATORS: Mapping[str, Function] = {
    "_==_": _compare(equal),
    "_!=_": _compare(lambda a, b: not equal(a, b)),
    "_<_": _compare(less),
    "_>_": _compare(lambda a, b: less(b, a)),
    "_<=_": _compare(_less_equal),
    "_>=_": _compare(lambda a, b: _less_equal(b, a)),
    "!_": overloaded({"bool": lambda a: boolean(not a)}),
    "-_": overloaded({"int": lambda a: number(-a), "double": lambda a: double(-a)}),
    "_+_": overloaded(
        {
            "int int": lambda a, b: number(a + b),
            "uint uint": lambda a, b: unsigned(a + b),
            "double double": lambda a, b: double(a + b),
            "string string": _joined,
            "bytes bytes": lambda a, b: Value("bytes", a + b),
            "list list": lambda a, b: sequence(a + b),
            "timestamp duration": lambda a, b: moment(a + b),
            "duration timestamp": lambda a, b: moment(a + b),
            "duration duration": lambda a, b: span(a + b),
        }
    ),
    "_-_": overloaded(
        {
            "int int": lambda a, b: number(a - b),
            "uint uint": lambda a, b: unsigned(a - b),
            "double double": lambda a, b: double(a - b),
            "timestamp duration": lambda a, b: moment(a - b),
            "timestamp timestamp": lambda a, b: span(a - b),
            "duration duration": lambda a, b: span(a - b),
        }
    ),
    "_*_": overloaded(
        {
            "int int": lambda a, b: number(a * b),
            "uint uint": lambda a, b: unsigned(a * b),
            "double double": lambda a, b: double(a * b),
        }
    ),
    "_/_": overloaded(
        {
            "int int": lambda a, b: number(_quotient(a, b)),
            "uint uint": lambda a, b: unsigned(_quotient(a, b)),
            "double double": _divided,
        }
    ),
    "_%_": overloaded({"int int": _remainder, "uint uint": lambda a, b: unsigned(a - b * _quotient(a, b))}),
    "size": overloaded(
        {kind: lambda a: number(len(a)) for kind in ("string", "bytes", "list", "map")},
    ),
}


def _whole(a: float, low: float, high: float) -> int:
    if math.isnan(a) or not low < a < high:
        raise UnknownError
    return int(a)


def _parsed(pattern: str, convert: Callable[[str], Value]) -> Callable[[str], Value]:
    def parse(a: str) -> Value:
        if not re.fullmatch(pattern, a, re.ASCII):
            raise UnknownError
        return convert(a)

    return parse


def _decoded(a: bytes) -> Value:
    try:
        return text(a.decode())
    except UnicodeDecodeError:
        raise UnknownError from None


UNITS = {"h": 3600 * SECOND, "m": 60 * SECOND, "s": SECOND, "ms": 10**6, "us": 1000, "ns": 1}


def _duration(a: str) -> Value:
    if not re.fullmatch(r"-?(\d+(h|ms|m|s|us|ns))+", a):
        raise UnknownError
    total = sum(int(size) * UNITS[unit] for size, unit in re.findall(r"(\d+)(h|ms|m|s|us|ns)", a))
    return span(-total if a.startswith("-") else total)


CONVERSIONS: Mapping[str, Function] = {
    "int": overloaded(
        {
            "int": number,
            "uint": number,
            "double": lambda a: number(_whole(a, -(2.0**63), 2.0**63)),
            "string": _parsed(r"[-+]?\d{1,20}", lambda a: number(int(a))),
            "timestamp": lambda a: number(a // SECOND),
        }
    ),
    "uint": overloaded(
        {
            "int": unsigned,
            "uint": unsigned,
            "double": lambda a: unsigned(_whole(a, -1.0, 2.0**64)) if a >= 0 else unsigned(-1),
            "string": _parsed(r"\d{1,20}", lambda a: unsigned(int(a))),
        }
    ),
    "double": overloaded({"int": double, "uint": double, "double": double}),
    "string": overloaded(
        {
            "string": text,
            "bool": lambda a: text("true" if a else "false"),
            "int": lambda a: text(str(a)),
            "uint": lambda a: text(str(a)),
            "bytes": _decoded,
            "ip": lambda a: text(str(a)),
            "cidr": lambda a: text(f"{a[0]}/{a[1]}"),
        }
    ),
    "bytes": overloaded({"bytes": lambda a: Value("bytes", a), "string": lambda a: Value("bytes", a.encode())}),
    "duration": overloaded({"string": _duration, "duration": span}),
    "timestamp": overloaded({"int": lambda a: moment(a * SECOND), "timestamp": moment}),
    "type": lambda a: Value("type", {"null": "null_type"}.get(a.kind, a.kind)),
}


def _position(a: str, at: int) -> int:
    if not 0 <= at <= len(a):
        raise UnknownError
    return at


def _between(a: str, start: int, end: int) -> Value:
    if _position(a, start) > _position(a, end):
        raise UnknownError
    return text(a[start:end])


def _first(a: str, part: str, start: int = 0) -> Value:
    places = [at for at in range(_position(a, start), len(a) + 1) if a[at : at + len(part)] == part]
    return number(places[0] if places else -1)


def _last(a: str, part: str, limit: int | None = None) -> Value:
    end = len(a) if limit is None else _position(a, limit)
    places = [at for at in range(end + 1) if a[at : at + len(part)] == part]
    return number(places[-1] if places else -1)


def _split(a: str, separator: str, count: int = -1) -> Value:
    if count == 0:
        return sequence(())
    parts = list(a) or ([] if not separator else [""]) if not separator else a.split(separator)
    if 0 < count < len(parts):
        parts = [*parts[: count - 1], separator.join(parts[count - 1 :])]
    return sequence(map(text, parts))


def _replaced(a: str, old: str, new: str, count: int = -1) -> Value:
    return text(a.replace(old, new, count))


def _joined_list(a: tuple[Value, ...], separator: str = "") -> Value:
    if any(value.kind != "string" for value in a):
        raise UnknownError
    return text(separator.join(value.held for value in a))


def _matches(a: str, pattern: str) -> Value:
    return boolean(re.search(pattern, a))


def _ascii(change: Callable[[str], str]) -> Callable[[str], Value]:
    return lambda a: text("".join(change(sign) if ord(sign) < 128 else sign for sign in a))


STRINGS: Mapping[str, Function] = {
    "contains": overloaded({"string string": lambda a, b: boolean(b in a)}),
    "startsWith": overloaded({"string string": lambda a, b: boolean(a[: len(b)] == b)}),
    "endsWith": overloaded({"string string": lambda a, b: boolean(not b or a[-len(b) :] == b)}),
    "matches": overloaded({"string string": _matches}),
    "charAt": overloaded({"string int": lambda a, b: text(a[_position(a, b) : b + 1])}),
    "indexOf": overloaded({"string string": _first, "string string int": _first}),
    "lastIndexOf": overloaded({"string string": _last, "string string int": _last}),
    "substring": overloaded({"string int": lambda a, b: _between(a, b, len(a)), "string int int": _between}),
    "split": overloaded({"string string": _split, "string string int": _split}),
    "replace": overloaded({"string string string": _replaced, "string string string int": _replaced}),
    "join": overloaded({"list": _joined_list, "list string": _joined_list}),
    "lowerAscii": overloaded({"string": _ascii(str.lower)}),
    "upperAscii": overloaded({"string": _ascii(str.upper)}),
    "trim": overloaded({"string": lambda a: text(a.strip(" \t\n"))}),
    "reverse": overloaded({"string": lambda a: text(a[::-1]), "list": lambda a: sequence(a[::-1])}),
    "strings.quote": overloaded({"string": lambda a: text('"' + a.replace("\\", "\\\\").replace('"', '\\"') + '"')}),
    "base64.encode": overloaded({"bytes": lambda a: text(base64.b64encode(a).decode())}),
    "regex.replace": overloaded({"string string string": lambda a, b, c: text(re.sub(b, lambda _: c, a))}),
    "regex.extract": overloaded(
        {"string string": lambda a, b: some(text(at[0])) if (at := re.search(b, a)) else NOTHING}
    ),
    "regex.extractAll": overloaded(
        {"string string": lambda a, b: sequence(text(at[0]) for at in re.finditer(b, a) if at[0])}
    ),
}


def _distinct(a: tuple[Value, ...]) -> Value:
    kept: list[Value] = []
    for value in a:
        kept += [] if any(equal(value, other) for other in kept) else [value]
    return sequence(kept)


def _flat(a: tuple[Value, ...], depth: int = 1) -> tuple[Value, ...]:
    if depth == 0:
        return a
    return tuple(inner for value in a for inner in (_flat(value.held, depth - 1) if value.kind == "list" else (value,)))


def _slice(a: tuple[Value, ...], start: int, end: int) -> Value:
    if not 0 <= start <= end <= len(a):
        raise UnknownError
    return sequence(a[start:end])


def _sorted(a: tuple[Value, ...], keys: tuple[Value, ...]) -> Value:
    if len({key.kind for key in keys}) > 1 or any(key.kind not in (*NUMBERS, *ORDERED) for key in keys):
        raise UnknownError
    left, made = list(zip(keys, a, strict=True)), []
    while left:
        best = 0
        for at, (key, _) in enumerate(left):
            best = at if less(key, left[best][0]) else best
        made.append(left.pop(best)[1])
    return sequence(made)


def _within_set(a: tuple[Value, ...], b: tuple[Value, ...]) -> bool:
    return all(any(equal(value, other) for other in b) for value in a)


LISTS: Mapping[str, Function] = {
    "distinct": overloaded({"list": _distinct}),
    "flatten": overloaded({"list": lambda a: sequence(_flat(a)), "list int": lambda a, b: sequence(_flat(a, b))}),
    "first": overloaded({"list": lambda a: some(a[0]) if a else NOTHING}),
    "last": overloaded({"list": lambda a: some(a[-1]) if a else NOTHING}),
    "slice": overloaded({"list int int": _slice}),
    "sort": overloaded({"list": lambda a: _sorted(a, a)}),
    "@sortByAssociatedKeys": overloaded({"list list": _sorted}),
    "lists.range": overloaded({"int": lambda a: sequence(map(number, range(a)))}),
    "sets.contains": overloaded({"list list": lambda a, b: boolean(_within_set(b, a))}),
    "sets.equivalent": overloaded({"list list": lambda a, b: boolean(_within_set(a, b) and _within_set(b, a))}),
    "sets.intersects": overloaded({"list list": lambda a, b: boolean(any(_within_set((value,), b) for value in a))}),
}


def _best(better: Callable[[Value, Value], bool]) -> Function:
    def choose(*values: Value) -> Value:
        offered = values[0].held if len(values) == 1 and values[0].kind == "list" else values
        if not offered or any(value.kind not in NUMBERS for value in offered):
            raise UnknownError
        best = offered[0]
        for value in offered[1:]:
            best = value if better(value, best) else best
        return best

    return choose


def _wrapped(held: int) -> Value:
    low = held % 2**64
    return Value("int", low - 2**64 if low >= 2**63 else low)


def _shift(places: int) -> int:
    if places < 0:
        raise UnknownError
    return min(places, 64)


def _rounded(a: float) -> Value:
    return double(math.copysign(math.floor(abs(a) + 0.5), a)) if math.isfinite(a) else double(a)


def _cut(cut: Callable[[float], int]) -> Callable[[float], Value]:
    return lambda a: double(cut(a)) if math.isfinite(a) else double(a)


MATHS: Mapping[str, Function] = {
    "math.@max": _best(lambda a, b: less(b, a)),
    "math.@min": _best(less),
    "math.abs": overloaded({"int": lambda a: number(abs(a)), "uint": unsigned, "double": lambda a: double(abs(a))}),
    "math.ceil": overloaded({"double": _cut(math.ceil)}),
    "math.floor": overloaded({"double": _cut(math.floor)}),
    "math.trunc": overloaded({"double": _cut(math.trunc)}),
    "math.round": overloaded({"double": _rounded}),
    "math.sign": overloaded(
        {
            "int": lambda a: number((a > 0) - (a < 0)),
            "double": lambda a: double((a > 0) - (a < 0)) if a == a else double(a),
        }
    ),
    "math.isNaN": overloaded({"double": lambda a: boolean(a != a)}),
    "math.isInf": overloaded({"double": lambda a: boolean(a in (math.inf, -math.inf))}),
    "math.isFinite": overloaded({"double": lambda a: boolean(math.isfinite(a))}),
    "math.bitAnd": overloaded({"int int": lambda a, b: _wrapped(a & b)}),
    "math.bitOr": overloaded({"int int": lambda a, b: _wrapped(a | b)}),
    "math.bitXor": overloaded({"int int": lambda a, b: _wrapped(a ^ b)}),
    "math.bitNot": overloaded({"int": lambda a: _wrapped(~a)}),
    "math.bitShiftLeft": overloaded({"int int": lambda a, b: _wrapped(a << _shift(b))}),
    "math.bitShiftRight": overloaded({"int int": lambda a, b: _wrapped((a % 2**64) >> _shift(b))}),
}


def _is_zero(value: Value) -> bool:
    return not value.held


OPTIONALS: Mapping[str, Function] = {
    "optional.of": some,
    "optional.none": lambda: NOTHING,
    "optional.ofNonZeroValue": lambda a: NOTHING if _is_zero(a) else some(a),
    "hasValue": overloaded({"optional": lambda a: boolean(a is not None)}),
}


def _value(optional: Value) -> Value:
    (held,) = of("optional", optional)
    if held is None:
        raise UnknownError
    return held  # type: ignore[no-any-return]


def _zone(name: str) -> tzinfo:
    if name[0] not in "+-":
        return ZoneInfo(name)
    size = timedelta(hours=int(name[1:3]), minutes=int(name[4:6]))
    return timezone(size if name[0] == "+" else -size)


def _accessor(read: Callable[[Any], int], unit: int | None) -> Function:
    def local(a: int, zone: str = "UTC") -> Value:
        return number(read((EPOCH + timedelta(microseconds=a // 1000)).astimezone(_zone(zone))))

    forms: dict[str, Callable[..., Value]] = {"timestamp": local, "timestamp string": local}
    if unit is not None:
        forms["duration"] = lambda a: number(abs(a) // unit * (-1 if a < 0 else 1))
    return overloaded(forms)


TIMES: Mapping[str, Function] = {
    "getFullYear": _accessor(lambda at: at.year, None),
    "getMonth": _accessor(lambda at: at.month - 1, None),
    "getDate": _accessor(lambda at: at.day, None),
    "getDayOfMonth": _accessor(lambda at: at.day - 1, None),
    "getDayOfWeek": _accessor(lambda at: (at.weekday() + 1) % 7, None),
    "getDayOfYear": _accessor(lambda at: at.timetuple().tm_yday - 1, None),
    "getHours": _accessor(lambda at: at.hour, 3600 * SECOND),
    "getMinutes": _accessor(lambda at: at.minute, 60 * SECOND),
    "getSeconds": _accessor(lambda at: at.second, SECOND),
}


def _ip(a: str) -> Value:
    try:
        return Value("ip", ipaddress.ip_address(a))
    except ValueError:
        raise UnknownError from None


def _cidr(a: str) -> Value:
    start, _, bits = a.partition("/")
    if not bits.isdigit() or int(bits) > 32:
        raise UnknownError
    return Value("cidr", (_ip(start).held, int(bits)))


def _inside(block: tuple[Any, int], address: Any) -> Value:
    return boolean(address in ipaddress.ip_network(f"{block[0]}/{block[1]}", strict=False))


def _within(a: str, limits: str) -> Value:
    low, high = re.fullmatch(r"vers:semver/>=(.*)\|<(.*)", limits).groups()  # type: ignore[union-attr]
    return boolean(precedence(low) <= precedence(a) < precedence(high))


OURS: Mapping[str, Function] = {
    "atLeast": overloaded({"string string": lambda a, b: boolean(precedence(a) >= precedence(b))}),
    "below": overloaded({"string string": lambda a, b: boolean(precedence(a) < precedence(b))}),
    "within": overloaded({"string string": _within}),
    "semver": overloaded({"string": lambda a: Value("semver", precedence(a))}),
    "isGreaterThan": overloaded({"semver semver": lambda a, b: boolean(a > b)}),
    "isLessThan": overloaded({"semver semver": lambda a, b: boolean(a < b)}),
    "compareTo": overloaded({"semver semver": lambda a, b: number((a > b) - (a < b))}),
    "major": overloaded({"semver": lambda a: number(a[0])}),
    "isIP": overloaded({"string": lambda a: boolean(re.fullmatch(r"\d+\.\d+\.\d+\.\d+", a))}),
    "ip": overloaded({"string": _ip, "cidr": lambda a: Value("ip", a[0])}),
    "cidr": overloaded({"string": _cidr}),
    "family": overloaded({"ip": lambda a: number(a.version)}),
    "containsIP": overloaded({"cidr string": lambda a, b: _inside(a, _ip(b).held), "cidr ip": _inside}),
    "prefixLength": overloaded({"cidr": lambda a: number(a[1])}),
}

FUNCTIONS: Mapping[str, Function] = {
    **OPERATORS,
    **CONVERSIONS,
    **STRINGS,
    **LISTS,
    **MATHS,
    **OPTIONALS,
    **TIMES,
    **OURS,
    **LIBRARIES,
    "value": _value,
}
