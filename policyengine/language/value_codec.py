"""Frozen values as JSON documents and back, driven by their type hints: what a bundle is written with.

Every field is written, in every form exactly one way, so that equal values have equal documents and nothing that was
not written by `to_json` can be read back. A field that came LATER is written only where it says something: bundles from
before it keep their bytes, their digests and their decisions.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from policyengine.errors import PolicyEngineError
from policyengine.model import expression_json
from policyengine.model.canonical import MAX_INTEGER
from policyengine.model.expression import Node
from policyengine.model.later import LATER
from policyengine.model.times import InvalidTimeError, format_timestamp, parse_timestamp
from policyengine.model.type_json import type_from_document, type_to_document
from policyengine.model.types import Type

_MICROSECOND = timedelta(microseconds=1)

Reader = Callable[[Any], Any]


class BundleShapeError(PolicyEngineError):
    """A document that does not have the shape of the value asked for; `path` says where it goes wrong."""

    code = "bundle.shape"

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{message} at `{path}`" if path else message, path=path)
        self.reason, self.path = message, path

    def below(self, step: str) -> BundleShapeError:
        """Return this error as seen from one level up."""
        return BundleShapeError(self.reason, f"{step}.{self.path}" if self.path else step)


def to_json(value: Any) -> Any:
    """Return `value` (model values, and what they hold) as dict, list, str, int, float, bool or None."""
    match value:
        case Node():
            return expression_json.to_document(value)
        case Type():
            return type_to_document(value)
        case IntEnum():
            return value.name
        case Enum():
            return value.value
        case None | bool() | str() | int():
            return value
        case float():
            return {"double": value}  # canonical JSON writes 1.0 as 1: the tag keeps doubles apart from integers
        case datetime():
            return format_timestamp(value)
        case timedelta():
            return value // _MICROSECOND
        case bytes():
            return base64.urlsafe_b64encode(value).decode()
        case _:
            return _compound_to_json(value)


def _compound_to_json(value: Any) -> Any:
    if is_dataclass(value):
        kind, later = value.__class__, _later(value.__class__)
        said = {name: getattr(value, name) for name in _stored(kind)}
        return {name: to_json(item) for name, item in said.items() if name not in later or item is not None}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(to_json(item) for item in value)
    return [to_json(item) for item in value]


@lru_cache(maxsize=128)
def _stored(kind: Any) -> tuple[str, ...]:
    """Return the fields that a value is made from; those it derives for itself (`init=False`) are not written."""
    return tuple(field.name for field in fields(kind) if field.init)


@lru_cache(maxsize=128)
def _later(kind: Any) -> frozenset[str]:
    """Return the fields that are None in documents from before them, and left out where they are None."""
    return frozenset(field.name for field in fields(kind) if field.metadata.keys() >= LATER.keys())


def from_json(document: object, kind: Any) -> Any:
    """Return the value of type `kind` that `document` stands for; raises BundleShapeError for any other document."""
    return _reader(kind)(document)


@lru_cache(maxsize=512)
def _reader(kind: Any) -> Reader:
    if isinstance(kind, NewType):
        return _reader(kind.__supertype__)
    if kind in _ATOMS:
        return _ATOMS[kind]
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _optional(next(one for one in get_args(kind) if one is not NoneType))
    if origin in (tuple, frozenset):
        return _collection(origin, get_args(kind)[0])
    if origin is not None:
        return _mapping(get_args(kind)[1])
    return _enumeration(kind) if issubclass(kind, Enum) else _structure(kind)


def _optional(kind: Any) -> Reader:
    return lambda document: None if document is None else _reader(kind)(document)


def _collection(make: Callable[[list[Any]], Any], element: Any) -> Reader:
    def read(document: Any) -> Any:
        if not isinstance(document, list):
            raise BundleShapeError("expected a list")
        return make([_item(_reader(element), item, str(index)) for index, item in enumerate(document)])

    return read


def _mapping(value: Any) -> Reader:
    def read(document: Any) -> Any:
        if not isinstance(document, dict):
            raise BundleShapeError("expected an object")
        return {key: _item(_reader(value), item, key) for key, item in document.items()}

    return read


def _item(read: Reader, item: object, step: str) -> Any:
    try:
        return read(item)
    except BundleShapeError as problem:
        raise problem.below(step) from problem


def _enumeration(kind: type[Enum]) -> Reader:
    by_text = {one.name if issubclass(kind, IntEnum) else one.value: one for one in kind}

    def read(document: Any) -> Any:
        if not isinstance(document, str) or document not in by_text:
            raise BundleShapeError(f"expected one of {', '.join(map(str, by_text))}")
        return by_text[document]

    return read


def _structure(kind: Any) -> Reader:
    types = get_type_hints(kind)
    hints = {name: types[name] for name in _stored(kind)}
    later = _later(kind)

    def read(document: Any) -> Any:
        if not isinstance(document, dict) or document.keys() | later != hints.keys():
            raise BundleShapeError(f"expected an object with exactly the keys {', '.join(hints)}")
        if any(document[name] is None for name in later & document.keys()):
            raise BundleShapeError("expected no key that says nothing")
        return kind(**{name: _item(_reader(hints[name]), item, name) for name, item in document.items()})

    return read


def _exactly(kind: type) -> Reader:
    def read(document: Any) -> Any:
        if type(document) is not kind:
            raise BundleShapeError(f"expected {kind.__name__}")
        return document

    return read


def _read_float(document: Any) -> float:
    if isinstance(document, dict) and document.keys() == {"double"} and isinstance(document["double"], int | float):
        return float(document["double"])
    raise BundleShapeError("expected a tagged double")


def _read_time(document: Any) -> datetime:
    try:
        return parse_timestamp(document if isinstance(document, str) else "")
    except InvalidTimeError as problem:
        raise BundleShapeError(problem.message) from problem


def _read_length(document: Any) -> timedelta:
    if type(document) is not int or abs(document) > MAX_INTEGER:
        raise BundleShapeError("expected a whole number of microseconds")
    return timedelta(microseconds=document)


def _read_bytes(document: Any) -> bytes:
    try:
        return base64.b64decode(document if isinstance(document, str) else "?", altchars=b"-_", validate=True)
    except binascii.Error as problem:
        raise BundleShapeError("expected base64url") from problem


def _read_any(document: Any) -> object:
    """Return the value of a param: bool, int, float, str, or a tuple of these."""
    if isinstance(document, list):
        return tuple(_item(_read_any, item, str(index)) for index, item in enumerate(document))
    if isinstance(document, dict):
        return _read_float(document)
    if isinstance(document, bool | int | str):
        return document
    raise BundleShapeError("expected a value")


def _read_node(document: Any) -> Node:
    try:
        return expression_json.from_document(document)
    except expression_json.ExpressionDocumentError as problem:
        raise BundleShapeError(problem.message) from problem


def _read_type(document: Any) -> Type:
    try:
        return type_from_document(document)
    except expression_json.ExpressionDocumentError as problem:
        raise BundleShapeError(problem.message) from problem


_ATOMS: Mapping[Any, Reader] = {
    str: _exactly(str),
    int: _exactly(int),
    bool: _exactly(bool),
    float: _read_float,
    datetime: _read_time,
    timedelta: _read_length,
    bytes: _read_bytes,
    object: _read_any,
    Node: _read_node,
    Type: _read_type,
}
