"""How values are written in columns: digests as 32 bytes, times as microseconds, content as zlib."""

from __future__ import annotations

import zlib
from datetime import datetime

from policyengine.model.ids import Digest
from policyengine.services.errors import UnavailableError
from policyengine.services.moments import micros, moment
from policyengine.transparency.merkle import HASH_SIZE, Frontier

try:
    from isal.isal_zlib import compress
except ImportError:  # a machine that it is not made for: the same format, at six times the work
    from zlib import compress

MAX_BODY = 64 * 1024 * 1024  # a stored document never inflates beyond this; a larger one is damage or an attack
PACKING = 2  # level: on decision documents, isal's next one saves 4 % more for twice the work


def raw(digest: Digest) -> bytes:
    """Return the 32 bytes of a digest."""
    return bytes.fromhex(digest[7:])


def raw_or_none(digest: Digest | None) -> bytes | None:
    """Return the 32 bytes of a digest, or None."""
    return None if digest is None else raw(digest)


def named(content: bytes) -> Digest:
    """Return the digest that 32 bytes stand for."""
    return Digest("sha256:" + content.hex())


def named_or_none(content: bytes | None) -> Digest | None:
    """Return the digest that 32 bytes stand for, or None."""
    return None if content is None else named(content)


def time_or_none(value: int | None) -> datetime | None:
    """Return the time that microseconds stand for, or None."""
    return None if value is None else moment(value)


def micros_or_none(value: datetime | None) -> int | None:
    """Return a time as microseconds, or None."""
    return None if value is None else micros(value)


def frontier_from(size: int, roots: bytes) -> Frontier:
    """Return the log's frontier; raises UnavailableError when it is not one of `size` leaves."""
    if len(roots) != size.bit_count() * HASH_SIZE:
        raise UnavailableError("the log's head is damaged", code="log.head-damaged")
    return Frontier(size=size, roots=tuple(roots[at : at + HASH_SIZE] for at in range(0, len(roots), HASH_SIZE)))


def packed(content: bytes) -> bytes:
    """Return `content` compressed (RFC 1950)."""
    compressed: bytes = compress(content, PACKING)
    return compressed


def unpacked(content: bytes) -> bytes:
    """Return what `packed` was given, at most MAX_BODY bytes; raises UnavailableError for bytes that it never gave."""
    try:
        return zlib.decompressobj().decompress(content, MAX_BODY)
    except zlib.error as cause:
        raise UnavailableError("a stored document is damaged", code="document.damaged") from cause
