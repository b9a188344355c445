"""Canonical JSON (RFC 8785): the same value gives the same bytes everywhere, so that a digest names it."""

from __future__ import annotations

import json
import math

from policyengine.errors import PolicyEngineError

MAX_INTEGER = 2**53 - 1  # RFC 8785 section 3.2.2.3: beyond it an IEEE 754 double loses digits


class NotCanonicalError(PolicyEngineError):
    """A value that has no canonical JSON form: NaN, infinity, a huge integer, a lone surrogate, a foreign type."""

    code = "json.not-canonical"


def canonical(value: object) -> bytes:
    """Return the RFC 8785 bytes of `value` (dict with str keys, list, tuple, str, int, float, bool, None).

    Raises NotCanonicalError for what JSON, or an IEEE 754 double, cannot hold.
    """
    try:
        return _text(value).encode()
    except UnicodeEncodeError as cause:
        raise NotCanonicalError("a string holds a lone surrogate") from cause


def _text(value: object) -> str:
    try:
        return _dumped(_prepared(value))
    except _OddFloatError:
        return _written(value)


def _prepared(value: object) -> object:
    kind = type(value)
    if kind is str or kind is bool or value is None:  # most values: asked of a union, it would take three times as long
        return value
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise NotCanonicalError(f"integer {value} is beyond 2^53 - 1")
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return {key: _prepared(value[key]) for key in _sorted_keys(value)}
    if isinstance(value, list | tuple):
        return [_prepared(item) for item in value]
    raise NotCanonicalError(f"a {type(value).__name__} has no JSON form")


def _sorted_keys(mapping: dict[str, object]) -> list[str]:
    """Return the keys in UTF-16 code unit order (RFC 8785 section 3.2.3)."""
    keys = list(mapping)
    if all(key.isascii() for key in keys):
        return sorted(keys)
    return sorted(keys, key=lambda key: key.encode("utf-16-be", "surrogatepass"))


class _OddFloatError(Exception):
    """A float that Python and ECMAScript write differently; the whole value then takes the slow writer."""


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise NotCanonicalError("a number is not finite")
    if value.is_integer() and abs(value) <= MAX_INTEGER:
        return int(value)
    if "e" in repr(value) or value.is_integer():
        raise _OddFloatError
    return value


def _written(value: object) -> str:
    """Return the canonical text of `value`, one piece at a time."""
    if isinstance(value, float):
        return ecma_number(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_written(key)}:{_written(value[key])}" for key in _sorted_keys(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return _dumped(_prepared(value))


# One for all: `json.dumps` with options would make an encoder for each value.
_dumped = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def ecma_number(value: float) -> str:
    """Return finite `value` as ECMAScript's Number::toString writes it (ECMA-262 section 6.1.6.1.20)."""
    if not math.isfinite(value):
        raise NotCanonicalError("a number is not finite")
    if value == 0:
        return "0"
    sign, digits, exponent = _decimal(value)
    point = exponent + len(digits)
    if 0 < point <= 21:
        body = digits.ljust(point, "0") if len(digits) <= point else f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        body = "0." + "0" * -point + digits
    else:
        mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
        body = f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return sign + body


def _decimal(value: float) -> tuple[str, str, int]:
    """Return sign, shortest digits without trailing zeros, and the power of ten of the last digit."""
    mantissa, _, power = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = int(power or "0") - len(fraction)
    trimmed = digits.rstrip("0")
    return ("-" if value < 0 else "", trimmed, exponent + len(digits) - len(trimmed))
