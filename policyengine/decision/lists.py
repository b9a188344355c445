"""CEL's functions on lists and on lists as sets (cel-go extensions `lists` and `sets`)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from policyengine.decision.arithmetic import MAX_CONCATENATION
from policyengine.decision.errors import CelError, no_overload
from policyengine.decision.optionals import of
from policyengine.decision.values import NONE, Optional, contains, equal, type_name

MAX_RANGE = 65_536  # items of `lists.range`: nothing else makes a long list from a short text
MAX_PAIRS = 4_194_304  # comparisons of `distinct` and of sets: what two SBOMs of the largest size need, about a second
_SORTABLE = frozenset(
    {"bool", "int", "uint", "double", "string", "bytes", "google.protobuf.Timestamp", "google.protobuf.Duration"}
)
_HASHED = (str, bytes)  # texts are equal to equal texts only, so that a set finds what `equal` would


def items(function: str, value: object) -> tuple[object, ...]:
    """Return `value` if it is a list; raises CelError."""
    if isinstance(value, tuple):
        return value
    raise no_overload(function, value)


def _whole(function: str, value: object) -> int:
    if type(value) is int:
        return value
    raise no_overload(function, value)


def numbers(count: object) -> tuple[object, ...]:
    """Return `lists.range(count)`: 0 to `count` - 1, none for a negative count; raises CelError above MAX_RANGE."""
    size = _whole("lists.range", count)
    if size > MAX_RANGE:
        raise CelError("cel.size", f"the range has more than {MAX_RANGE} numbers")
    return tuple(range(size))


def distinct(value: object) -> tuple[object, ...]:
    """Return the list without elements that are equal to an earlier one."""
    found = items("distinct", value)
    if all(isinstance(item, _HASHED) for item in found):
        return tuple(dict.fromkeys(found))
    _bounded(len(found), len(found))
    kept: list[object] = []
    for item in found:
        if not any(equal(item, known) for known in kept):
            kept.append(item)
    return tuple(kept)


def _bounded(one: int, other: int) -> None:
    if one * other > MAX_PAIRS:
        raise CelError("cel.size", f"comparing the lists takes more than {MAX_PAIRS} steps")


def flatten(value: object, depth: object = 1) -> tuple[object, ...]:
    """Return the list with inner lists put in place of themselves, `depth` levels deep."""
    levels = _whole("flatten", depth)
    if levels < 0:
        raise CelError("cel.range", "the depth is negative")
    found = items("flatten", value)
    while levels and any(isinstance(item, tuple) for item in found):
        found, levels = tuple(_opened(found)), levels - 1
    return found


def _opened(found: Iterable[object]) -> Iterable[object]:
    count = 0
    for item in found:
        inner = item if isinstance(item, tuple) else (item,)
        count += len(inner)
        if count > MAX_CONCATENATION:
            raise CelError("cel.size", f"the list has more than {MAX_CONCATENATION} elements")
        yield from inner


def first(value: object) -> Optional:
    """Return the first element, if any."""
    found = items("first", value)
    return of(found[0]) if found else NONE


def last(value: object) -> Optional:
    """Return the last element, if any."""
    found = items("last", value)
    return of(found[-1]) if found else NONE


def part(value: object, start: object, end: object) -> tuple[object, ...]:
    """Return `list.slice(start, end)`; raises CelError `cel.index` unless 0 <= start <= end <= size."""
    found, low, high = items("slice", value), _whole("slice", start), _whole("slice", end)
    if not 0 <= low <= high <= len(found):
        raise CelError("cel.index", "the slice is outside the list")
    return found[low:high]


def ordered(value: object) -> tuple[object, ...]:
    """Return the list in rising order; its elements must be of one type that has an order."""
    return by_keys(value, value)


def by_keys(value: object, keys: object) -> tuple[object, ...]:
    """Return the list in rising order of `keys`, one for each element; equal keys keep their order."""
    found, ranks = items("sortBy", value), items("sortBy", keys)
    if len(found) != len(ranks):
        raise no_overload("sortBy", found, ranks)
    kinds = {type_name(rank).name for rank in ranks}
    if len(kinds) > 1 or not kinds <= _SORTABLE:
        raise CelError("cel.no-overload", "the elements are not of one type that has an order")
    at = sorted(range(len(found)), key=lambda index: _rank(ranks[index]))
    return tuple(found[index] for index in at)


def _rank(value: object) -> tuple[bool, object]:
    """Return a key that Python can sort: NaN last, where it harms the order of nothing else."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return (is_nan, 0.0 if is_nan else value)


def _all_in(wanted: object, function: str, collection: object) -> bool:
    inside, looked_for = items(function, collection), items(function, wanted)
    _bounded(len(inside), len(looked_for))
    return all(contains(item, inside) for item in looked_for)


def superset(collection: object, wanted: object) -> bool:
    """Return `sets.contains(collection, wanted)`."""
    return _all_in(wanted, "sets.contains", collection)


def equivalent(one: object, other: object) -> bool:
    """Return `sets.equivalent(one, other)`: each contains the other."""
    return _all_in(one, "sets.equivalent", other) and _all_in(other, "sets.equivalent", one)


def intersects(one: object, other: object) -> bool:
    """Return `sets.intersects(one, other)`."""
    left, right = items("sets.intersects", one), items("sets.intersects", other)
    _bounded(len(left), len(right))
    return any(contains(item, right) for item in left)
