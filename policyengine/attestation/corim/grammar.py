"""Shapes of CBOR items as the CDDL of draft-ietf-rats-corim has them: small functions that accept a value or raise.

A shape is called with a value, the path to it for people, and the walk; the walk collects the paths of extension keys,
which only a profile that is understood may define (section "Profile").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cbor2 import CBORTag

from policyengine.attestation.errors import MalformedEvidenceError

MAX_LIST = 4096  # entries of any list; a CoRIM below 64 KiB cannot hold more that say anything
YEAR_10000 = 253402300800  # the first second that no date holds
MAX_TEXT = 8192  # characters; certificate paths in PEM are the longest texts there are


@dataclass(slots=True)
class Walk:
    """What was met on the way: the paths of keys that the base specification does not define, the names of the others.

    `names` are by the path to the map and the key in it.
    """

    extensions: list[str] = field(default_factory=list)
    names: dict[tuple[str, int], str] = field(default_factory=dict)


Shape = Callable[[Any, str, Walk], None]


def refuse(path: str, reason: str) -> NoReturn:
    """Raise MalformedEvidenceError `corim.structure`."""
    raise MalformedEvidenceError("corim.structure", f"{reason} at `{path}`")


def uint(value: Any, path: str, _walk: Walk) -> None:
    """Accept an unsigned integer."""
    if type(value) is not int or value < 0:
        refuse(path, "not an unsigned integer")


def integer(value: Any, path: str, _walk: Walk) -> None:
    """Accept an integer."""
    if type(value) is not int:
        refuse(path, "not an integer")


def boolean(value: Any, path: str, _walk: Walk) -> None:
    """Accept true or false."""
    if type(value) is not bool:
        refuse(path, "not a boolean")


def text(value: Any, path: str, _walk: Walk) -> None:
    """Accept text of 1 to MAX_TEXT characters without NUL."""
    if type(value) is not str or not 1 <= len(value) <= MAX_TEXT or "\x00" in value:
        refuse(path, f"not text of 1 to {MAX_TEXT} characters")


def anything(_value: Any, _path: str, _walk: Walk) -> None:
    """Accept any item: the strict CBOR door has seen it already."""


def octets(*, least: int = 0, most: int = MAX_TEXT) -> Shape:
    """Return the shape of a byte string of `least` to `most` bytes."""

    def check(value: Any, path: str, _walk: Walk) -> None:
        if type(value) is not bytes or not least <= len(value) <= most:
            refuse(path, f"not a byte string of {least} to {most} bytes")

    return check


def seconds(value: Any, path: str, _walk: Walk) -> None:
    """Accept a time: tag 1 over a finite number of seconds that a date can hold (RFC 8949 section 3.4.2)."""
    number: Any = value.value if type(value) is CBORTag and value.tag == 1 else None
    if type(number) not in {int, float} or not math.isfinite(number) or not 0 <= number < YEAR_10000:
        refuse(path, "not a time (tag 1)")


def tagged(number: int, shape: Shape) -> Shape:
    """Return the shape of an item under tag `number`."""

    def check(value: Any, path: str, walk: Walk) -> None:
        if type(value) is not CBORTag or value.tag != number:
            refuse(path, f"not tag {number}")
        shape(value.value, path, walk)

    return check


def one_of(*, tags: Mapping[int, Shape] | None = None, types: Mapping[type, Shape] | None = None) -> Shape:
    """Return the shape of a type choice: by tag number, or by the type of an untagged item."""
    by_tag, by_type = tags or {}, types or {}

    def check(value: Any, path: str, walk: Walk) -> None:
        if type(value) is CBORTag:
            if value.tag not in by_tag:
                refuse(path, f"tag {value.tag} does not belong here")
            by_tag[value.tag](value.value, path, walk)
        elif type(value) in by_type:
            by_type[type(value)](value, path, walk)
        else:
            refuse(path, "an item of a type that does not belong here")

    return check


def many(shape: Shape, *, least: int = 1) -> Shape:
    """Return the shape of an array of at least `least` items."""

    def check(value: Any, path: str, walk: Walk) -> None:
        if not is_array(value) or not least <= len(value) <= MAX_LIST:
            refuse(path, f"not an array of {least} to {MAX_LIST} items")
        for index, item in enumerate(value):
            shape(item, f"{path}[{index}]", walk)

    return check


def one_or_many(shape: Shape) -> Shape:
    """Return the shape of an item, or of an array of at least one."""

    def check(value: Any, path: str, walk: Walk) -> None:
        (many(shape) if is_array(value) else shape)(value, path, walk)

    return check


def row(*shapes: Shape, optional: Shape | None = None) -> Shape:
    """Return the shape of an array with exactly these items in order, and perhaps one more."""

    def check(value: Any, path: str, walk: Walk) -> None:
        lengths = {len(shapes), len(shapes) + (optional is not None)}
        if not is_array(value) or len(value) not in lengths:
            refuse(path, f"not an array of {len(shapes)}")
        wanted = shapes if optional is None else (*shapes, optional)
        for index, (shape, item) in enumerate(zip(wanted, value, strict=False)):
            shape(item, f"{path}[{index}]", walk)

    return check


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A key of a map: its name, the shape of its value, and whether it must be there."""

    name: str
    shape: Shape
    required: bool = False


def needed(name: str, shape: Shape) -> Field:
    """Return a field that must be there."""
    return Field(name=name, shape=shape, required=True)


def may(name: str, shape: Shape) -> Field:
    """Return a field that may be absent."""
    return Field(name=name, shape=shape)


def record(fields: Mapping[int, Field], *, also: Shape | None = None) -> Shape:
    """Return the shape of a map that is not empty; keys beyond `fields` are extensions. `also` checks the whole."""

    def check(value: Any, path: str, walk: Walk) -> None:
        if not is_map(value) or not value:
            refuse(path, "not a map with entries")
        missing = [each.name for key, each in fields.items() if each.required and key not in value]
        if missing:
            refuse(path, f"no `{missing[0]}`")
        for key, item in value.items():
            known = fields.get(key) if type(key) is int else None
            if known is None:
                walk.extensions.append(f"{path}.{key}")
            else:
                walk.names[path, key] = known.name
                known.shape(item, f"{path}.{known.name}", walk)
        if also is not None:
            also(value, path, walk)

    return check


def is_map(value: object) -> bool:
    """Return whether `value` is a CBOR map."""
    return isinstance(value, Mapping)


def is_array(value: object) -> bool:
    """Return whether `value` is a CBOR array."""
    return isinstance(value, list | tuple)
