"""The little DER that issuance needs: a writer for what we sign, a strict reader for what must be exact.

Everything else is read with `cryptography`. The reader refuses what DER forbids (indefinite and non-minimal lengths,
X.690 section 10.1), because a byte-for-byte comparison is only meaningful over one encoding.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from pki.errors import DerError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT_IDENTIFIER = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, PRINTABLE_STRING, IA5_STRING, UTC_TIME, GENERALIZED_TIME = 0x0C, 0x13, 0x16, 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31

MAX_LENGTH_OCTETS = 4  # a CRL of a million entries takes 53 MB; the bytes must be there, so a length costs nothing
UTC_TIME_ENDS = datetime(2050, 1, 1, tzinfo=UTC)  # RFC 5280 section 4.1.2.5: GeneralizedTime from 2050 on


class Element(NamedTuple):
    """One tag-length-value: `content` without the header, `encoded` with it."""

    tag: int
    content: bytes
    encoded: bytes


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
    return Element(tag, data[start:end], data[offset:end]), end


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
    offset = 0
    while offset < len(content):
        element, offset = read(content, offset)
        found.append(element)
    return tuple(found)


def whole(data: bytes, tag: int) -> Element:
    """Return the single element that `data` is; raises DerError for another tag or for trailing bytes."""
    element, end = read(data)
    if element.tag != tag:
        raise DerError(f"expected tag {tag:#04x}, found {element.tag:#04x}")
    if end != len(data):
        raise DerError(f"{len(data) - end} bytes follow the element")
    return element
