"""Reading an export whose manifest is verified: bytes held against their digests, and lines of records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import orjson

from policyengine.services.exports.errors import ExportError
from policyengine.services.exports.faults import Fault
from policyengine.services.exports.layout import MANIFEST, SIGNATURE, digests_of
from policyengine.services.exports.manifest import Manifest
from policyengine.services.exports.ports import ArchiveReader, Member

MAX_LINE = 64 * 1024 * 1024  # bytes of one record: what a stored document may have (adapters/sql/codec.py)


def altered_members(archive: ArchiveReader, manifest: Manifest) -> Iterator[Fault]:
    """Yield a fault for every member that is not the one in the manifest, down to the record where there are some."""
    listed = [member.name for member in manifest.members]
    present = [name for name in archive.names if name not in {MANIFEST, SIGNATURE}]
    for name in present:
        if name not in set(listed):
            yield Fault(code="export.member", member=name, record=None, message="the manifest has no such member")
    for member in manifest.members:
        if member.name not in set(present):
            yield Fault(code="export.member", member=member.name, record=None, message="the member is missing")
        elif not _is_intact(archive, member):
            yield _located(archive, member)
    if sorted(present) == sorted(listed) and present != listed:
        yield Fault(code="export.member", member=MANIFEST, record=None, message="members are out of order")


def _is_intact(archive: ArchiveReader, member: Member) -> bool:
    if archive.sizes(member.name) != (member.size, member.stored_size):
        return False
    found = hashlib.sha256()
    for piece in archive.stored(member.name):
        found.update(piece)
    return found.hexdigest() == member.stored_sha256


def _located(archive: ArchiveReader, member: Member) -> Fault:
    """Return the fault of an altered member: the first record whose digest is not the one beside it."""
    record = None
    if member.name.endswith(".sha256"):
        record = _first_difference(archive, _data_of(archive, member.name), member.name)
    elif digests_of(member.name) in archive.names:
        record = _first_difference(archive, member.name, digests_of(member.name))
    where = "its bytes are not those of the manifest" if record is None else f"record {record} was altered"
    return Fault(code="export.member", member=member.name, record=record, message=where)


def _data_of(archive: ArchiveReader, digests: str) -> str:
    stem = digests.removesuffix(".sha256")
    return next(name for name in archive.names if name != digests and name.rpartition(".")[0] == stem)


def _first_difference(archive: ArchiveReader, data: str, digests: str) -> int | None:
    """Return the first line whose digest differs; None when all agree as far as they can be read.

    Behind a changed byte, compressed content may end early or be anything.
    """
    pairs = zip_longest(_readable(archive, data), _readable(archive, digests))
    for number, (line, digest) in enumerate(pairs, 1):
        if line is None or digest is None or hashlib.sha256(line).hexdigest().encode() != digest:
            return number
    return None


def _readable(archive: ArchiveReader, name: str) -> Iterator[bytes]:
    try:
        yield from lines(archive, name)
    except ExportError:
        return


def lines(archive: ArchiveReader, name: str) -> Iterator[bytes]:
    """Yield the lines of a member without their newlines; what follows the last newline is a line if it is not empty.

    Raises ExportError.
    """
    rest = b""
    for piece in archive.content(name):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE:
            raise ExportError(f"a record of `{name}` is too long", member=name)
    if rest:
        yield rest


def checked_lines(archive: ArchiveReader, name: str) -> Iterator[bytes]:
    """Yield the lines of a member of records, each held against the digest beside it. Raises ExportError."""
    return (line for _, line in digested_lines(archive, name))


def digested_lines(archive: ArchiveReader, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield each line of a member of records after its digest in hex. Raises ExportError where they disagree."""
    pairs = zip_longest(lines(archive, name), lines(archive, digests_of(name)))
    for number, (line, listed) in enumerate(pairs, 1):
        digest = "" if line is None else hashlib.sha256(line).hexdigest()
        if line is None or listed is None or digest.encode() != listed:
            raise ExportError(
                "the record has not the digest beside it", code="export.record", member=name, record=number
            )
        yield digest, line


def parsed(line: bytes) -> dict[str, Any]:
    """Return the record that a line is; what it says is the caller's to judge. Raises ValueError."""
    found: dict[str, Any] = orjson.loads(line)
    return found


def whole(archive: ArchiveReader, name: str) -> bytes:
    """Return all of a member that is no list of records. Raises ExportError."""
    if archive.sizes(name)[0] > MAX_LINE:
        raise ExportError(f"`{name}` is too large", member=name)
    return b"".join(archive.content(name))
