"""CEL's conversions: `int uint double string bytes bool dyn type` (cel-spec langdef, "Conversion functions")."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from decimal import Decimal

from policyengine.decision.arithmetic import int64, uint64
from policyengine.decision.errors import CelError, no_overload
from policyengine.decision.nanos import duration_text, time_text
from policyengine.decision.times import seconds_since_epoch
from policyengine.decision.values import Uint
from policyengine.model.network import Address, Block

_INT = re.compile(r"[-+]?\d{1,20}", re.ASCII)
_UINT = re.compile(r"\d{1,20}", re.ASCII)
_DOUBLE = re.compile(
    r"[-+]?(?:\d{1,400}\.?\d{0,400}|\.\d{1,400})(?:[eE][-+]?\d{1,4})?|[-+]?(?:inf|infinity)|nan", re.A | re.I
)
_TRUE = frozenset({"1", "t", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "false", "FALSE", "False"})


def to_int(value: object) -> int:
    """Return CEL's `int(value)`; doubles are cut towards zero, a timestamp gives seconds since 1970."""
    if isinstance(value, bool):
        raise no_overload("int", value)
    if isinstance(value, int):
        return int64(int(value))
    if isinstance(value, float):
        return _cut(value, -(2.0**63), 2.0**63)
    if isinstance(value, datetime):
        return seconds_since_epoch(value)
    if isinstance(value, str) and _INT.fullmatch(value):
        return int64(int(value))
    raise _refused("int", value)


def _cut(value: float, low: float, high: float) -> int:
    # the double nearest to either end of int64 stands for numbers on both sides of it, so it is outside
    if math.isfinite(value) and low < value < high:
        return int(value)
    raise CelError("cel.overflow", "the double does not fit the integer type")


def to_uint(value: object) -> Uint:
    """Return CEL's `uint(value)`."""
    if isinstance(value, bool):
        raise no_overload("uint", value)
    if isinstance(value, int):
        return uint64(int(value))
    if isinstance(value, float):
        return uint64(_cut(value, -1.0, 2.0**64)) if value >= 0 or value == 0 else uint64(-1)
    if isinstance(value, str) and _UINT.fullmatch(value):
        return uint64(int(value))
    raise _refused("uint", value)


def to_double(value: object) -> float:
    """Return CEL's `double(value)`."""
    if isinstance(value, bool):
        raise no_overload("double", value)
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and _DOUBLE.fullmatch(value):
        return float(value)
    raise _refused("double", value)


def to_bool(value: object) -> bool:
    """Return CEL's `bool(value)` of a bool or one of its texts."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TRUE | _FALSE:
        return value in _TRUE
    raise _refused("bool", value)


def to_string(value: object) -> str:
    """Return CEL's `string(value)`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, Address | Block):
        return str(value)
    raise no_overload("string", value)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as cause:
        raise CelError("cel.conversion", "the bytes are not UTF-8") from cause


def double_text(value: float) -> str:
    """Return a double as the shortest text that reads back; with an exponent below 1e-4 and from 1e6 (C's `%g`)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value and not -4 <= Decimal(repr(value)).adjusted() < 6:
        return _scientific(value)
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def _scientific(value: float) -> str:
    sign, digits, _ = Decimal(repr(value)).normalize().as_tuple()
    exponent = Decimal(repr(value)).adjusted()
    fraction = "".join(map(str, digits[1:]))
    return f"{'-' if sign else ''}{digits[0]}{'.' if fraction else ''}{fraction}e{exponent:+03d}"


def to_bytes(value: object) -> bytes:
    """Return CEL's `bytes(value)`: UTF-8 of text."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise no_overload("bytes", value)


def to_dyn(value: object) -> object:
    """Return `value`: CEL's `dyn` only hides its type from the checker."""
    return value


def _refused(function: str, value: object) -> CelError:
    if isinstance(value, str):
        return CelError("cel.conversion", f"the text is no {function}")
    return no_overload(function, value)
