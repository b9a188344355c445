"""A CoRIM as a value: its tags read, every part well formed; nothing of it is believed yet.

`read_corim` takes the bytes of a tag 501 item. Extension keys are collected: whether they may be there is for the
profile to say.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cbor2 import CBORTag

from pki import der
from pki.errors import DerError
from policyengine.attestation import cbor
from policyengine.attestation.corim import comid
from policyengine.attestation.corim.grammar import Shape, Walk, refuse
from policyengine.attestation.errors import MalformedEvidenceError

read_item = cbor.reader(*comid.TAGS)
_SHAPES: Mapping[int, Shape] = {comid.COMID_TAG: comid.COMID, comid.COTL_TAG: comid.COTL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One tag of a CoRIM: its kind (505, 506, 508), id and version, and its map."""

    kind: int
    id: str
    version: int
    content: Mapping[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """From when to when something holds; both ends included, as the times of certificates are."""

    not_before: datetime | None
    not_after: datetime

    def covers(self, now: datetime) -> bool:
        """Return whether `now` lies inside."""
        return (self.not_before is None or self.not_before <= now) and now <= self.not_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Corim:
    """A concise reference integrity manifest. `extensions` are the paths of keys that the base does not define."""

    id: str
    profile: str | None
    validity: Validity | None
    tags: tuple[Tag, ...]
    extensions: tuple[str, ...]
    content: Mapping[Any, Any]

    def of_kind(self, kind: int) -> tuple[Tag, ...]:
        """Return the tags of one kind."""
        return tuple(tag for tag in self.tags if tag.kind == kind)


@lru_cache(maxsize=64)  # a repository is checked often, and its CoRIMs change rarely
def read_corim(content: bytes) -> Corim:
    """Return the CoRIM in `content`, which is tag 501; raises MalformedEvidenceError `corim.structure` or `cbor.*`."""
    item = read_item(content)
    if type(item) is not CBORTag or item.tag != comid.CORIM_TAG:
        refuse("corim", f"not tag {comid.CORIM_TAG}")
    walk = Walk()
    comid.CORIM(item.value, "corim", walk)
    body: Mapping[Any, Any] = item.value
    tags = tuple([_tag(each, f"corim.tags[{index}]", walk) for index, each in enumerate(body[1])])
    identities = [(tag.kind, tag.id) for tag in tags]
    if len(set(identities)) != len(identities):
        refuse("corim.tags", "a tag id is there twice")
    return Corim(
        id=named(body[0]),
        profile=named(body[3]) if 3 in body else None,
        validity=read_validity(body.get(4)),
        tags=tags,
        extensions=tuple(walk.extensions),
        content=body,
    )


def read_tag(content: bytes) -> Mapping[Any, Any]:
    """Return a bare CoMID: the map that tag 506 wraps; raises MalformedEvidenceError."""
    item = read_item(content)
    comid.COMID(item, "comid", Walk())
    body: Mapping[Any, Any] = item
    return body


def _tag(item: CBORTag, path: str, walk: Walk) -> Tag:
    content = read_item(item.value)
    if item.tag == comid.COSWID_TAG:
        comid.COSWID(content, path, Walk())  # RFC 9393 has more keys than those read here
        return Tag(kind=item.tag, id=named(content[0]), version=content[12], content=content)
    _SHAPES[item.tag](content, path, walk)
    identity = content[1 if item.tag == comid.COMID_TAG else 0]
    return Tag(kind=item.tag, id=named(identity[0]), version=identity.get(1, 0), content=content)


def read_validity(value: Mapping[Any, Any] | None) -> Validity | None:
    """Return a validity map as times; the grammar has seen it."""
    if value is None:
        return None
    return Validity(not_before=moment(value[0].value) if 0 in value else None, not_after=moment(value[1].value))


def moment(number: float) -> datetime:
    """Return seconds since 1970 as an aware time."""
    return datetime.fromtimestamp(number, tz=UTC)


def named(value: Any) -> str:
    """Return an identifier as text: URIs and texts as they are, UUIDs and OIDs in their usual form, else hex."""
    if type(value) is CBORTag:
        if value.tag == comid.OID_TAG:
            return _oid(value.value)
        return named(value.value)
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value)) if len(value) == 16 else value.hex()
    return str(value)


def _oid(content: bytes) -> str:
    try:
        return der.as_oid(content)
    except DerError as cause:
        raise MalformedEvidenceError("corim.structure", f"an object identifier: {cause.message}") from cause


def read_meta(content: Any) -> Mapping[Any, Any]:
    """Return the corim-meta map in a protected header (label 8); raises MalformedEvidenceError."""
    if type(content) is not bytes:
        refuse("corim-meta", "not a byte string")
    found: Mapping[Any, Any] = read_item(content)
    comid.META(found, "corim-meta", Walk())
    return found
