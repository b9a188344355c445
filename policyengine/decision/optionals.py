"""CEL's optional values, and how facts become optionals: an absent fact is none only where the source listed all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policyengine.decision import values
from policyengine.decision.errors import CelError, no_overload
from policyengine.decision.nanos import EPOCH
from policyengine.decision.values import NONE, Optional, is_number, map_key

Complete = Mapping[str, bool]


def of(value: object) -> Optional:
    """Return `optional.of(value)`."""
    return Optional(present=True, value=value)


def of_non_zero(value: object) -> Optional:
    """Return `optional.ofNonZeroValue(value)`: none for zero, empty, false, null, and the time 1970 began."""
    return of(value) if value and value != EPOCH else NONE


def none() -> Optional:
    """Return `optional.none()`."""
    return NONE


def _optional(function: str, value: object) -> Optional:
    if isinstance(value, Optional):
        return value
    raise no_overload(function, value)


def has_value(value: object) -> bool:
    """Return `value.hasValue()`."""
    return _optional("hasValue", value).present


def value_of(value: object) -> object:
    """Return `value.value()`; raises CelError `cel.optional` for none."""
    held = _optional("value", value)
    if not held.present:
        raise CelError("cel.optional", "the optional holds no value")
    return held.value


def or_else(value: object, other: object) -> Optional:
    """Return `value.or(other)`."""
    held = _optional("or", value)
    return held if held.present else _optional("or", other)


def or_value(value: object, default: object) -> object:
    """Return `value.orValue(default)`."""
    held = _optional("orValue", value)
    return held.value if held.present else default


def or_else_later(value: object, other: Callable[[], object]) -> Optional:
    """Return `value.or(other)`, computing `other` only where `value` holds none."""
    held = _optional("or", value)
    return held if held.present else _optional("or", other())


def or_value_later(value: object, default: Callable[[], object]) -> object:
    """Return `value.orValue(default)`, computing `default` only where `value` holds none."""
    held = _optional("orValue", value)
    return held.value if held.present else default()


def or_value_of_plain(found: object, default: object) -> object:
    """Return `a.b.orValue(default)` where `b` may be no optional: its value if it is there (`found` is `a.?b`)."""
    value = or_value(found, default)
    return or_value(value, default) if isinstance(value, Optional) else value


def select(operand: object, name: str) -> Optional:
    """Return `operand.?name` of a map, or of an optional map."""
    if isinstance(operand, Optional):
        return select(operand.value, name) if operand.present else NONE
    if not isinstance(operand, dict):
        raise no_overload("?.", operand)
    return of(operand[name]) if name in operand else NONE


def select_any(operand: object, name: str) -> object:
    """Return `operand.name`; of an optional map an optional, where no type said beforehand that it is one."""
    return select(operand, name) if isinstance(operand, Optional) else values.select(operand, name)


def at(operand: object, key: object) -> Optional:
    """Return `operand[?key]` of a list or map, or of an optional one."""
    if isinstance(operand, Optional):
        return at(operand.value, key) if operand.present else NONE
    if isinstance(operand, dict):
        return of(operand[map_key(key)]) if map_key(key) in operand else NONE
    if not (isinstance(operand, tuple) and is_number(key)):
        raise no_overload("_[?_]", operand, key)
    try:
        return of(values.index(operand, key))
    except CelError as error:
        if error.code == "cel.index":
            return NONE
        raise


def index(operand: object, key: object) -> object:
    """Return `operand[key]`; an optional list or map gives an optional element."""
    return at(operand, key) if isinstance(operand, Optional) else values.index(operand, key)


def known(found: Optional, complete: Complete, path: str) -> Optional:
    """Return `found`, read from the facts below `path`; raises CelError where more facts could change it."""
    if complete[path] or (found.present and not isinstance(found.value, tuple | dict)):
        return found
    raise CelError("fact.incomplete" if found.present else "fact.absent")
