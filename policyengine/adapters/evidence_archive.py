"""Evidence archives: zip files of one spelling only, so that no byte of one can change unnoticed.

Every tool can open them (PKWARE APPNOTE 6.3.10), but this program writes and reads no variants: no comments, no extra
fields, no data descriptors, no gaps, no zip64, one date. Names, sizes and checksums stand in the file twice, and all
else in a header follows from them; the digests of what lies between are in the manifest, which is signed.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from policyengine.adapters.keyfile import sync_directory
from policyengine.errors import quoted
from policyengine.services.exports.errors import ExportError, ExportTooLargeError
from policyengine.services.exports.ports import Member

MAX_ARCHIVE = 2**32 - 1  # bytes of archive and member: without zip64, which not every tool reads
MAX_MEMBERS = 2**16 - 1
_PIECE = 1 << 18  # bytes read, inflated and hashed at a time
_LEVEL = 3  # as stored documents; level 6 makes exports a tenth smaller and twice as slow

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _FLAGS, _TIME, _DATE = 20, 0x0800, 0, 0x0021  # 2.0, names in UTF-8, 1980-01-01 00:00
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the zip says of a member, and where its bytes begin."""

    name: str
    method: int
    crc: int
    stored_size: int
    size: int
    offset: int

    @property
    def local(self) -> bytes:
        """The header before the member's bytes."""
        name = self.name.encode()
        common = (_VERSION, _FLAGS, self.method, _TIME, _DATE, self.crc, self.stored_size, self.size, len(name), 0)
        return _LOCAL.pack(b"PK\x03\x04", *common) + name

    @property
    def central(self) -> bytes:
        """The member's entry in the directory at the end."""
        name = self.name.encode()
        common = (_VERSION, _FLAGS, self.method, _TIME, _DATE, self.crc, self.stored_size, self.size, len(name), 0)
        return _CENTRAL.pack(b"PK\x01\x02", _VERSION, *common, 0, 0, 0, 0, self.offset) + name

    @property
    def end(self) -> int:
        """Where the next member begins."""
        return self.offset + len(self.local) + self.stored_size


def _end_record(count: int, size: int, offset: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, size, offset, 0)


class MemberFile:
    """Implements the MemberWriter port: deflated into a temporary file until it is closed."""

    def __init__(self, name: str, spool: IO[bytes], done: Callable[[IO[bytes], int, Member], None]) -> None:
        self._name, self._spool, self._done = name, spool, done
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
        self._content, self._stored = hashlib.sha256(), hashlib.sha256()
        self._size = self._stored_size = self._crc = 0

    def write(self, content: bytes) -> None:
        """Add `content`."""
        self._content.update(content)
        self._crc = zlib.crc32(content, self._crc)
        self._size += len(content)
        self._keep(self._deflate.compress(content))

    def close(self) -> None:
        """Put the member into the archive."""
        self._keep(self._deflate.flush())
        member = Member(
            name=self._name,
            size=self._size,
            sha256=self._content.hexdigest(),
            stored_size=self._stored_size,
            stored_sha256=self._stored.hexdigest(),
        )
        self._done(self._spool, self._crc, member)

    def _keep(self, stored: bytes) -> None:
        self._stored.update(stored)
        self._stored_size += len(stored)
        self._spool.write(stored)


class ArchiveFile:
    """Implements the ArchiveWriter port on a new file; nothing stands at `path` before `finish`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_name(f".{path.name}.new")
        self._fresh.unlink(missing_ok=True)
        self._file = os.fdopen(os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._entries: list[Entry] = []
        self._members: list[Member] = []
        self._spools: list[IO[bytes]] = []

    @property
    def members(self) -> Sequence[Member]:
        """The members closed so far, in order."""
        return tuple(self._members)

    def member(self, name: str) -> MemberFile:
        """Return a new member, compressed."""
        spool = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the member is, or by `abandon`
        self._spools.append(spool)
        return MemberFile(name, spool, self._append)

    def plain(self, name: str, content: bytes) -> None:
        """Put in a member whose bytes stand for themselves."""
        digest = hashlib.sha256(content).hexdigest()
        member = Member(name=name, size=len(content), sha256=digest, stored_size=len(content), stored_sha256=digest)
        self._header(member, crc=zlib.crc32(content), method=_STORED)
        self._file.write(content)

    def finish(self) -> None:
        """Write the directory and let the file stand under its name, durably."""
        offset = self._file.tell()
        directory = b"".join(entry.central for entry in self._entries)
        if offset + len(directory) > MAX_ARCHIVE:
            raise _too_large()
        self._file.write(directory + _end_record(len(self._entries), len(directory), offset))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._fresh.replace(self._path)
        sync_directory(self._path.parent)

    def abandon(self) -> None:
        """Leave nothing behind; does nothing after `finish`."""
        for spool in self._spools:
            spool.close()
        self._file.close()
        self._fresh.unlink(missing_ok=True)

    def _append(self, spool: IO[bytes], crc: int, member: Member) -> None:
        self._header(member, crc=crc, method=_DEFLATED)
        spool.seek(0)
        while piece := spool.read(_PIECE):
            self._file.write(piece)
        spool.close()
        self._spools.remove(spool)

    def _header(self, member: Member, *, crc: int, method: int) -> None:
        offset = self._file.tell()
        if offset + member.stored_size > MAX_ARCHIVE or member.size > MAX_ARCHIVE or len(self._entries) >= MAX_MEMBERS:
            raise _too_large()
        entry = Entry(
            name=member.name,
            method=method,
            crc=crc,
            stored_size=member.stored_size,
            size=member.size,
            offset=offset,
        )
        self._entries.append(entry)
        self._members.append(member)
        self._file.write(entry.local)


def _too_large() -> ExportTooLargeError:
    return ExportTooLargeError("the export would exceed 4 GiB; narrow its period or its scope")


class OpenedArchive:
    """Implements the ArchiveReader port over a file whose headers are exactly those of its members."""

    def __init__(self, path: Path) -> None:
        """Read the directory; raises ExportError that names the first member whose headers are not as written."""
        self._file = path.open("rb")
        try:
            self._entries = {entry.name: entry for entry in _directory(self._file)}
        except ExportError:
            self._file.close()
            raise

    @property
    def names(self) -> Sequence[str]:
        """The members' names, in order."""
        return tuple(self._entries)

    def plain(self, name: str, *, limit: int) -> bytes:
        """Return the content of a member that is stored as it is; raises ExportError."""
        entry = self._entries.get(name)
        if entry is None or entry.method != _STORED or entry.size > limit:
            raise ExportError(f"{quoted(name)} is missing, compressed or too large", member=name)
        return b"".join(self.stored(name))

    def sizes(self, name: str) -> tuple[int, int]:
        """Return the member's size, and the size of what stands for it."""
        return self._entries[name].size, self._entries[name].stored_size

    def stored(self, name: str) -> Iterator[bytes]:
        """Yield the bytes that stand for a member."""
        entry = self._entries[name]
        at, left = entry.offset + len(entry.local), entry.stored_size
        while left:
            self._file.seek(at)
            piece = self._file.read(min(left, _PIECE))
            if not piece:
                raise _broken(name, "the file ends within it")
            yield piece
            at, left = at + len(piece), left - len(piece)

    def content(self, name: str) -> Iterator[bytes]:
        """Yield the member's content; raises ExportError, possibly after some of it."""
        entry = self._entries[name]
        if entry.method == _STORED:
            yield from self.stored(name)
            return
        inflate, left, crc = zlib.decompressobj(-15), entry.size, 0
        for piece in self.stored(name):
            for content in _inflated(inflate, piece, name):
                left, crc = left - len(content), zlib.crc32(content, crc)
                if left < 0:
                    raise _broken(name, "it holds more than it should")
                yield content
        if left or crc != entry.crc or not inflate.eof:
            raise _broken(name, "its content is not what it should be")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _inflated(inflate: zlib._Decompress, piece: bytes, name: str) -> Iterator[bytes]:
    try:
        content = inflate.decompress(piece, _PIECE)
        while content:
            yield content
            content = inflate.decompress(inflate.unconsumed_tail, _PIECE)
    except zlib.error as cause:
        raise _broken(name, "it cannot be inflated") from cause


def _directory(file: IO[bytes]) -> Iterator[Entry]:
    """Yield the entries; each must stand in the directory and before its member in the one spelling there is."""
    file.seek(0, os.SEEK_END)
    length = file.tell()
    file.seek(max(0, length - _END.size))
    end = file.read(_END.size)
    if length > 2 * MAX_ARCHIVE or len(end) < _END.size:
        raise ExportError("this is no evidence export: too short or too long for one")
    _, _, _, _, count, size, offset, _ = _END.unpack(end)
    if end != _end_record(count, size, offset) or offset + size + _END.size != length:
        raise ExportError("the zip's last 22 bytes are not those of an evidence export", member="(end of the zip)")
    file.seek(offset)
    directory, at, place = file.read(size), 0, 0
    for number in range(count):
        entry = _entry(directory, at, number)
        file.seek(place)
        if entry.offset != place or file.read(len(entry.local)) != entry.local:
            raise _header_differs(entry.name, number)
        yield entry
        at, place = at + len(entry.central), entry.end
    if at != size or place != offset:
        raise ExportError("the zip holds bytes that belong to no member", member="(directory of the zip)")


def _entry(directory: bytes, at: int, number: int) -> Entry:
    fixed = directory[at : at + _CENTRAL.size]
    if len(fixed) < _CENTRAL.size:
        raise _header_differs("", number)
    _, _, _, _, method, _, _, crc, stored_size, size, length, *_, offset = _CENTRAL.unpack(fixed)
    raw = directory[at + _CENTRAL.size : at + _CENTRAL.size + length]
    name = raw.decode("utf-8", "replace")
    entry = Entry(name=name, method=method, crc=crc, stored_size=stored_size, size=size, offset=offset)
    if directory[at : at + len(entry.central)] != entry.central or method not in {_STORED, _DEFLATED}:
        raise _header_differs(name, number)
    return entry


def _header_differs(name: str, number: int) -> ExportError:
    shown = f"{quoted(name)} (member {number + 1} of the zip)" if name.isascii() and name else f"member {number + 1}"
    return ExportError(f"the headers of {shown} are not as they were written", member=name or f"member {number + 1}")


def _broken(name: str, why: str) -> ExportError:
    return ExportError(f"{quoted(name)} is damaged: {why}", member=name)


def file_digest(file: Path) -> str:
    """Return the digest of a whole file, `sha256:` and hex. Raises OSError."""
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
