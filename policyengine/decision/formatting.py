"""CEL's `text.format(values)` and `strings.quote(text)` (cel-go extension `strings`)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from policyengine.decision.arithmetic import MAX_CONCATENATION
from policyengine.decision.convert import to_string
from policyengine.decision.errors import CelError, no_overload
from policyengine.decision.lists import items
from policyengine.decision.values import TypeName, is_number, key_value
from policyengine.decision.weight import writable

MAX_PRECISION = 1000  # digits behind the point, as in cel-cpp
_CLAUSE = re.compile(r"%(?:%|(?:\.(\d{1,4}))?([sdfeboxX])|(.?))|[^%]+", re.DOTALL)
_QUOTED = str.maketrans(
    {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        '"': '\\"',
    }
)


def quote(text: object) -> str:
    """Return `strings.quote(text)`: in double quotes, with escapes for what would end or break it."""
    if not isinstance(text, str):
        raise no_overload("strings.quote", text)
    return f'"{text.translate(_QUOTED)}"'


def format_text(form: object, values: object) -> str:
    """Return `form` with each clause (`%s %d %f %e %b %o %x %X %%`) replaced by the next of `values`.

    Raises CelError `cel.format` for a bad clause or a value that its clause does not take, `cel.index` for too few.
    """
    if not isinstance(form, str):
        raise no_overload("format", form, values)
    offered = iter(items("format", values))
    size, made = 0, list[str]()
    for part in _parts(form, offered):
        size += len(part)
        if size > MAX_CONCATENATION:
            raise CelError("cel.size", f"the result is longer than {MAX_CONCATENATION}")
        made.append(part)
    return "".join(made)


def _parts(form: str, offered: Iterator[object]) -> Iterator[str]:
    for found in _CLAUSE.finditer(form):
        precision, clause, wrong = found.groups()
        if wrong is not None:
            raise CelError("cel.format", "the text has a `%` that starts no known clause")
        if clause is None:
            yield "%" if found.group() == "%%" else found.group()
            continue
        for value in offered:
            yield _CLAUSES[clause](writable(value), _precision(precision))
            break
        else:
            raise CelError("cel.index", "there are more clauses than values")


def _precision(text: str | None) -> int:
    digits = 6 if text is None else int(text)
    if digits > MAX_PRECISION:
        raise CelError("cel.format", f"the precision is above {MAX_PRECISION}")
    return digits


def _refused(clause: str, value: object) -> CelError:
    return CelError("cel.format", f"`%{clause}` does not take a value of type {type(value).__name__}")


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _decimals(value: float) -> str:
    """Return the shortest decimals that read back, never with an exponent."""
    if not math.isfinite(value):
        return _not_finite(value)
    text = format(Decimal(repr(value)), "f")
    return text[:-2] if text.endswith(".0") else text


def _string(value: object, _digits: int = 0) -> str:
    match value:
        case None:
            return "null"
        case float():
            return _decimals(value)
        case TypeName():
            return value.name
        case tuple():
            return f"[{', '.join(map(_string, value))}]"
        case dict():
            pairs = sorted((_string(key_value(key)), _string(held)) for key, held in value.items())
            return f"{{{', '.join(f'{key}: {held}' for key, held in pairs)}}}"
        case str() | bool() | int() | bytes() | datetime() | timedelta():
            return to_string(value)
        case _:
            raise _refused("s", value)


def _decimal(value: object, _digits: int) -> str:
    if not is_number(value):
        raise _refused("d", value)
    return _decimals(value) if isinstance(value, float) else str(int(value))  # type: ignore[call-overload] # a number


def _real(clause: str) -> Callable[[object, int], str]:
    def written(value: object, digits: int) -> str:
        if not is_number(value):
            raise _refused(clause, value)
        number = float(value)  # type: ignore[arg-type] # is_number has checked
        return f"{number:.{digits}{clause}}" if math.isfinite(number) else _not_finite(number)

    return written


def _binary(value: object, _digits: int) -> str:
    if not isinstance(value, int):
        raise _refused("b", value)
    return f"{int(value):b}"


def _octal(value: object, _digits: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refused("o", value)
    return f"{int(value):o}"


def _hexadecimal(value: object, _digits: int) -> str:
    if isinstance(value, str):
        return value.encode().hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refused("x", value)
    return f"{int(value):x}"


_CLAUSES: Mapping[str, Callable[[object, int], str]] = {
    "s": _string,
    "d": _decimal,
    "f": _real("f"),
    "e": _real("e"),
    "b": _binary,
    "o": _octal,
    "x": _hexadecimal,
    "X": lambda value, digits: _hexadecimal(value, digits).upper(),
}
