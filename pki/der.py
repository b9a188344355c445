"""The little DER that issuance needs: a writer for what we sign, a strict reader for what must be exact.

Everything else is read with `cryptography`. The reader refuses what DER forbids (indefinite and non-minimal lengths,
X.690 section 10.1), because a byte-for-byte comparison is only meaningful over one encoding.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import NamedTuple

from pki.errors import DerError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT_IDENTIFIER = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, PRINTABLE_STRING, IA5_STRING, UTC_TIME, GENERALIZED_TIME = 0x0C, 0x13, 0x16, 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
ENUMERATED = 0x0A

TWO_LENGTH_OCTETS = 0x82
MAX_LENGTH_OCTETS = 4  # a CRL of a million entries takes 53 MB; the bytes must be there, so a length costs nothing
MAX_OID_OCTETS = 64  # the longest of RFC 5280 and TCG have 12; a number of a thousand digits is no identifier
MAX_BITS_OCTETS = 33  # named-bit lists have at most 32 bits; keys and signatures are never read bit by bit
KEPT_TIMES = 1024  # certificates of one second and lifetime share both ends, and lint asks for them again
UTC_TIME_ENDS = datetime(2050, 1, 1, tzinfo=UTC)  # RFC 5280 section 4.1.2.5: GeneralizedTime from 2050 on


class Element(NamedTuple):
    """One tag-length-value: `content` without the header, `encoded` with it."""

    tag: int
    content: bytes
    encoded: bytes


Span = tuple[int, int, int]  # where an element begins, where its content does, and where it ends

# A certificate has a hundred elements, and a NamedTuple called by its name takes three times as long.
_element: Callable[[tuple[int, bytes, bytes]], Element] = partial(tuple.__new__, Element)


def tlv(tag: int, content: bytes) -> bytes:
    """Return `content` under `tag` with the minimal definite length."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE of the parts in this order."""
    return tlv(SEQUENCE, b"".join(parts))


def set_of(*parts: bytes) -> bytes:
    """Return a SET OF, its members sorted as DER asks (X.690 section 11.6)."""
    return tlv(SET, b"".join(sorted(parts)))


def integer(value: int) -> bytes:
    """Return a two's-complement INTEGER of minimal length."""
    magnitude = value if value >= 0 else ~value
    return tlv(INTEGER, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def bit_string(octets: bytes) -> bytes:
    """Return a BIT STRING of whole octets."""
    return tlv(BIT_STRING, b"\x00" + octets)


def named_bits(positions: frozenset[int]) -> bytes:
    """Return a named-bit BIT STRING without trailing zero bits (X.690 section 11.2.2)."""
    if not positions:
        return tlv(BIT_STRING, b"\x00")
    width = max(positions) // 8 + 1
    value = sum(1 << (8 * width - 1 - position) for position in positions)
    unused = 8 * width - 1 - max(positions)
    return tlv(BIT_STRING, bytes((unused,)) + value.to_bytes(width, "big"))


def octet_string(octets: bytes) -> bytes:
    """Return an OCTET STRING."""
    return tlv(OCTET_STRING, octets)


def boolean_true() -> bytes:
    """Return BOOLEAN TRUE; FALSE is always a default here and DER leaves defaults out (X.690 section 11.5)."""
    return b"\x01\x01\xff"


@lru_cache(maxsize=256)
def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(OBJECT_IDENTIFIER, b"".join(_base128(arc) for arc in (40 * first + second, *rest)))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(0x80 | (arc & 0x7F))
    return bytes(reversed(octets))


def dotted(element: Element) -> str:
    """Return the dotted form of an OBJECT IDENTIFIER element; raises DerError if it is none or not minimal."""
    if element.tag != OBJECT_IDENTIFIER or not element.content or element.content[-1] & 0x80:
        raise DerError("this is no object identifier")
    arcs, value = [], 0
    for octet in element.content:
        if value == 0 and octet == 0x80:
            raise DerError("object identifier is not minimal")
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def context(number: int, content: bytes) -> bytes:
    """Return a constructed context tag, as EXPLICIT tags and IMPLICIT sequences have."""
    return tlv(0xA0 | number, content)


def context_primitive(number: int, content: bytes) -> bytes:
    """Return a primitive context tag, as IMPLICIT strings have."""
    return tlv(0x80 | number, content)


@lru_cache(maxsize=KEPT_TIMES)
def validity(start: datetime, end: datetime) -> bytes:
    """Return the Validity of a certificate (RFC 5280 section 4.1.2.5)."""
    return sequence(time(start), time(end))


@lru_cache(maxsize=KEPT_TIMES)
def time(moment: datetime) -> bytes:
    """Return `moment` (aware) as RFC 5280 section 4.1.2.5 asks: UTCTime through 2049, GeneralizedTime after."""
    utc = moment.astimezone(UTC)
    if utc < UTC_TIME_ENDS:
        return tlv(UTC_TIME, utc.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(GENERALIZED_TIME, f"{utc.year:04d}{utc:%m%d%H%M%SZ}".encode())


def read(data: bytes, offset: int = 0) -> tuple[Element, int]:
    """Return the element at `offset` and the offset after it.

    Raises DerError for truncation, high tag numbers, and indefinite, oversized or non-minimal lengths.
    """
    if len(data) - offset < 2:
        raise DerError(f"element at offset {offset} is cut short")
    tag, size, start = data[offset], data[offset + 1], offset + 2
    if tag & 0x1F == 0x1F:
        raise DerError(f"element at offset {offset} has a multi-byte tag")
    if size >= 0x80:
        size, start = _long_length(data, offset, size & 0x7F)
    end = start + size
    if end > len(data):
        raise DerError(f"element at offset {offset} is cut short")
    return _element((tag, data[start:end], data[offset:end])), end


def _long_length(data: bytes, offset: int, octets: int) -> tuple[int, int]:
    if not 1 <= octets <= MAX_LENGTH_OCTETS:
        raise DerError(f"element at offset {offset} has an indefinite or oversized length")
    start = offset + 2 + octets
    size = int.from_bytes(data[offset + 2 : start], "big")
    if size < 0x80 or size >> (8 * (octets - 1)) == 0:
        raise DerError(f"element at offset {offset} has a length that is not minimal")
    return size, start


def children(content: bytes) -> tuple[Element, ...]:
    """Return every element inside a constructed one; raises DerError."""
    found = []
    offset, size = 0, len(content)
    while offset + 1 < size:
        # Nearly all elements are short ones: read here, as `read` would, at a third of its cost.
        length = content[offset + 1]
        start = offset + 2
        end = start + length
        if length < 0x80 and end <= size and content[offset] & 0x1F != 0x1F:
            found.append(_element((content[offset], content[start:end], content[offset:end])))
            offset = end
        else:
            element, offset = read(content, offset)
            found.append(element)
    if offset < size:
        read(content, offset)  # a single octet is left, which is cut short
    return tuple(found)


def spans(data: bytes, offset: int, end: int) -> list[Span]:
    """Return where the elements between `offset` and `end` are.

    Raises DerError as `read` does. Of a certificate little is looked at: cut out, all of it would take five times as
    long.
    """
    found = []
    while offset + 1 < end:
        # Nearly all lengths have one octet, of the others most two: read here, as `read` would, at a third of its cost.
        length, start = data[offset + 1], offset + 2
        if length == TWO_LENGTH_OCTETS and start + 1 < end and data[start]:
            length, start = data[start] << 8 | data[start + 1], start + 2
        elif length >= 0x80:
            length = end
        stop = start + length
        if stop > end or data[offset] & 0x1F == 0x1F:
            element, stop = read(data[:end], offset)
            start = stop - len(element.content)
        found.append((offset, start, stop))
        offset = stop
    if offset < end:
        read(data[:end], offset)  # a single octet is left, which is cut short
    return found


def whole(data: bytes, tag: int) -> Element:
    """Return the single element that `data` is; raises DerError for another tag or for trailing bytes."""
    element, end = read(data)
    if element.tag != tag:
        raise DerError(f"expected tag {tag:#04x}, found {element.tag:#04x}")
    if end != len(data):
        raise DerError(f"{len(data) - end} bytes follow the element")
    return element


def as_integer(content: bytes) -> int:
    """Return the value of an INTEGER's content octets; raises DerError if they are not minimal (X.690 8.3.2)."""
    redundant = len(content) > 1 and content[0] in {0x00, 0xFF} and (content[0] >> 7) == (content[1] >> 7)
    if not content or redundant:
        raise DerError("an INTEGER is not in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def as_boolean(content: bytes) -> bool:
    """Return the value of a BOOLEAN's content octets; raises DerError for another octet than DER's two (X.690 11.1)."""
    if content not in {b"\x00", b"\xff"}:
        raise DerError("a BOOLEAN is neither 00 nor ff")
    return content == b"\xff"


def as_bits(content: bytes) -> frozenset[int]:
    """Return the positions of the one bits of a BIT STRING's content octets; raises DerError for a false padding.

    Trailing zero bits are accepted: makers of named-bit lists often leave them in (X.690 section 11.2.2 forbids it).
    """
    if not content or content[0] > 7 or (content[0] and len(content) == 1) or len(content) > MAX_BITS_OCTETS:
        raise DerError("a BIT STRING has no sound count of unused bits, or is too long")
    value = int.from_bytes(content[1:], "big")
    if value & ((1 << content[0]) - 1):
        raise DerError("unused bits of a BIT STRING are not zero")
    width = 8 * (len(content) - 1)
    return frozenset(position for position in range(width) if value >> (width - 1 - position) & 1)


@lru_cache(maxsize=1024)
def as_oid(content: bytes) -> str:
    """Return the dotted form of an OBJECT IDENTIFIER's content octets; raises DerError for what encodes none."""
    if not content or content[-1] & 0x80 or len(content) > MAX_OID_OCTETS:
        raise DerError("an OBJECT IDENTIFIER is empty, cut short or too long")
    arcs, arc, fresh = [], 0, True
    for octet in content:
        if fresh and octet == 0x80:
            raise DerError("an arc of an OBJECT IDENTIFIER is not in its shortest form")
        arc, fresh = arc << 7 | octet & 0x7F, not octet & 0x80
        if fresh:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(each) for each in (first, arcs[0] - 40 * first, *arcs[1:]))


def as_time(element: Element) -> datetime:
    """Return the UTC time of a UTCTime or GeneralizedTime; raises DerError for forms that RFC 5280 4.1.2.5 forbids."""
    digits, text = {UTC_TIME: 12, GENERALIZED_TIME: 14}.get(element.tag), element.content
    if digits is None or len(text) != digits + 1 or not text[:digits].isdigit() or text[digits:] != b"Z":
        raise DerError("a time is neither YYMMDDHHMMSSZ nor YYYYMMDDHHMMSSZ")
    written = text[:digits].decode()
    if digits == 12:
        written = ("19" if written[:2] >= "50" else "20") + written
    try:
        return datetime.strptime(written, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as cause:
        raise DerError("a time is no date of the calendar") from cause
