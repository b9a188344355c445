"""Conceptual Message Wrappers (RFC 9999): evidence and its media type in one message, in CBOR or JSON.

A wrapper is a record `[type, value, indicator?]`, in CBOR also a tag around the value, or a collection of wrappers by
label. Reading turns bytes into one of these or raises; `wrapping` makes a format of it that hands the one piece of
evidence inside to the format of its type. Which that is, the type alone says; the value is never looked at for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import cbor2

from policyengine.attestation import cbor
from policyengine.attestation import media_type as media_types
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cbor_scan import MAX_BYTES
from policyengine.attestation.checks import Check, Requirement, nothing_failed, stated_in
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.formats import Format, Freshness, Verified
from policyengine.attestation.media_type import MediaType
from policyengine.attestation.plain_text import is_plain_text
from policyengine.model.base64url import from_base64url
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import digest_of
from policyengine.model.strict_json import InvalidJsonError, read_json

NAME = "cmw"
CBOR, JSON = "application/cmw+cbor", "application/cmw+json"
EVIDENCE = 1 << 2  # RFC 9999 section 3.1: of the bits for reference values, endorsements, evidence, results, policy
ALL_KINDS = (1 << 5) - 1
COLLECTION_TYPE = "__cmwc_t"
MAX_ITEMS = 64  # records of one collection with all inside it; a device has a handful of attesters
MAX_LEVELS = 4  # of collections in collections

# RFC 9277 section 4.3: the CBOR tag of a CoAP content format, 255 to a block of 256.
_FIRST_TAG = 0x63740101
_TAGS = range(_FIRST_TAG, _FIRST_TAG + 257 * 256)
# CoAP content formats of what a wrapper may hold (RFC 9782 section 6.3; IANA "CoAP Content-Formats" for the others).
CONTENT_FORMATS: Mapping[int, str] = {
    61: "application/cwt",
    258: "application/swid+cbor",
    263: "application/eat+cwt",
    264: "application/eat+jwt",
    265: "application/eat-bun+cbor",
    266: "application/eat-bun+json",
    267: "application/eat-ucs+cbor",
    268: "application/eat-ucs+json",
}

INDICATOR = Requirement(
    id="cmw.indicator", clause="RFC 9999 section 3.1", expected="no indicator, or one with the bit for evidence"
)
SINGLE = Requirement(
    id="cmw.single", clause="RFC 9999 section 3.3", expected="exactly one piece of evidence in a collection"
)

_read_cbor = cbor.reader_of(_TAGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message: its media type, or how its content format is written; its bytes; what it is, if that is said."""

    type: str
    value: bytes
    indicator: int | None = None

    @property
    def is_evidence(self) -> bool:
        """Whether this may be evidence: it does not say that it is something else."""
        return self.indicator is None or bool(self.indicator & EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Wrappers by label, and what the collection is, if that is said."""

    items: Mapping[int | str, Record | Collection]
    type: str | None = None

    def records(self) -> Iterator[Record]:
        """Yield every record inside, in order."""
        for item in self.items.values():
            if isinstance(item, Record):
                yield item
            else:
                yield from item.records()


Wrapper = Record | Collection


def read_cbor_wrapper(content: bytes) -> Wrapper:
    """Return the wrapper in CBOR; raises MalformedEvidenceError `cbor.*` or `cmw.structure`."""
    return _bounded(_wrapper(_read_cbor(content), level=0, values=_bytes_value))


def read_json_wrapper(content: bytes) -> Wrapper:
    """Return the wrapper in JSON; raises MalformedEvidenceError `cmw.json` or `cmw.structure`."""
    try:
        item = read_json(content, max_bytes=MAX_BYTES)
    except InvalidJsonError as cause:
        raise MalformedEvidenceError("cmw.json", cause.message) from cause
    return _bounded(_wrapper(item, level=0, values=_text_value))


def _bounded(wrapper: Wrapper) -> Wrapper:
    if isinstance(wrapper, Collection) and sum(1 for _ in wrapper.records()) > MAX_ITEMS:
        raise _structure(f"more than {MAX_ITEMS} records")
    return wrapper


_Values = Callable[[Any, Any], tuple[str, bytes]]


def _wrapper(item: Any, *, level: int, values: _Values) -> Wrapper:
    if type(item) is cbor2.CBORTag:
        return _tagged(item)
    if isinstance(item, list | tuple):
        return _record(item, values)
    if isinstance(item, Mapping):
        return _collection(item, level=level + 1, values=values)
    raise _structure("a wrapper is a record, a tag or a collection")


def _record(item: list[Any] | tuple[Any, ...], values: _Values) -> Record:
    if not 2 <= len(item) <= 3:
        raise _structure(f"a record has two or three elements, this has {len(item)}")
    type_, value = values(item[0], item[1])
    indicator = item[2] if len(item) == 3 else None
    if indicator is not None and (type(indicator) is not int or not 0 < indicator <= ALL_KINDS):
        raise _structure("an indicator is one or more of five bits")
    return Record(type=type_, value=value, indicator=indicator)


def _bytes_value(type_: Any, value: Any) -> tuple[str, bytes]:
    if type(value) is not bytes:
        raise _structure("a value in CBOR is bytes")
    if type(type_) is int and 0 <= type_ < 2**16:
        return _media_type(type_), value
    if not is_plain_text(type_):
        raise _structure("a type is a media type or a content format")
    return type_, value


def _text_value(type_: Any, value: Any) -> tuple[str, bytes]:
    content = from_base64url(value) if isinstance(value, str) else None
    if content is None:
        raise _structure("a value in JSON is base64url without padding")
    if not is_plain_text(type_):
        raise _structure("a type in JSON is a media type")
    return type_, content


def _tagged(item: cbor2.CBORTag) -> Record:
    block, place = divmod(item.tag - _FIRST_TAG, 256)
    number = 255 * block + place
    if place == 255 or number >= 2**16 or type(item.value) is not bytes:
        raise _structure("a tag is that of a content format, around bytes (RFC 9277)")
    return Record(type=_media_type(number), value=item.value)


def _media_type(number: int) -> str:
    """Return the media type of a content format; of one we do not know a text that no format answers to."""
    return CONTENT_FORMATS.get(number, f"content-format/{number}")


def _collection(item: Mapping[Any, Any], *, level: int, values: _Values) -> Collection:
    if level > MAX_LEVELS:
        raise _structure(f"collections are nested deeper than {MAX_LEVELS}")
    stated = item.get(COLLECTION_TYPE)
    if stated is not None and not is_plain_text(stated):
        raise _structure("the type of a collection is a URI or an OID in text")
    found = {label: value for label, value in item.items() if label != COLLECTION_TYPE}
    if not found:
        raise _structure("a collection holds at least one wrapper")
    if not all(type(label) is int or is_plain_text(label) for label in found):
        raise _structure("a label is a number or plain text")
    items = {label: _wrapper(value, level=level, values=values) for label, value in found.items()}
    return Collection(items=items, type=stated)


def _structure(reason: str) -> MalformedEvidenceError:
    return MalformedEvidenceError("cmw.structure", reason)


def wrapping(find: Callable[[str], Format]) -> Format:
    """Return the format of wrappers around evidence whose format `find` knows by media type."""

    def appraise(
        evidence: bytes,
        *,
        media_type: str,
        nonce: bytes,
        anchors: TrustAnchors,
        endorsements: ReferenceValues | None,
        now: datetime,
    ) -> Verified:
        """Return what can be believed of the evidence inside; raises also UnsupportedMediaTypeError for its type."""
        essence = media_types.parse(media_type).essence
        wrapper = read_cbor_wrapper(evidence) if essence == CBOR else read_json_wrapper(evidence)
        checks, record = _evidence_of(wrapper)
        if record is None:
            return _refused(evidence, media_type, checks)
        inner = find(record.type)
        if inner.name == NAME:
            raise _structure("a wrapper is the value of a record")
        found = inner.appraise(
            record.value, media_type=record.type, nonce=nonce, anchors=anchors, endorsements=endorsements, now=now
        )
        return found._replace(media_type=media_type, checks=(*checks, *found.checks))

    types = tuple(MediaType(essence=essence) for essence in (CBOR, JSON))
    return Format(name=NAME, media_types=types, appraise=appraise, requirements=stated_in(globals()))


def _evidence_of(wrapper: Wrapper) -> tuple[tuple[Check, Check], Record | None]:
    """Return the checks of a wrapper, and the record to judge if they hold."""
    if isinstance(wrapper, Record):
        indicator = INDICATOR.passed if wrapper.is_evidence else INDICATOR.failed(f"indicator {wrapper.indicator}")
        checks, records = (indicator, SINGLE.absent), [wrapper]
    else:
        records = [record for record in wrapper.records() if record.is_evidence]
        single = SINGLE.passed if len(records) == 1 else SINGLE.failed(f"{len(records)} pieces of evidence")
        checks = (INDICATOR.absent, single)
    return checks, records[0] if records and nothing_failed(checks) else None


def _refused(evidence: bytes, media_type: str, checks: tuple[Check, ...]) -> Verified:
    return Verified(
        media_type=media_type,
        facts={},
        complete=(),
        decoded={},
        naming=dict,
        key_binding=None,
        signer=None,
        checks=checks,
        digest=digest_of(evidence),
        freshness=Freshness.NONE,
    )
