"""Writing records: segments of lines, and beside each segment the digests of its lines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import count, islice

from policyengine.reports.csv_text import csv_line
from policyengine.services.exports.layout import CSV, SEGMENT, digests_of, segment
from policyengine.services.exports.ports import ArchiveWriter, MemberWriter
from policyengine.services.exports.tables import HEADS, Cells


class Lines:
    """One member of lines and the digests beside it."""

    def __init__(self, archive: ArchiveWriter, name: str) -> None:
        self._content: MemberWriter = archive.member(name)
        self._digests: MemberWriter = archive.member(digests_of(name))

    def add(self, line: bytes) -> None:
        """Add a line, its end included; the digest is of the line without the newline."""
        self._content.write(line)
        self._digests.write(hashlib.sha256(line.removesuffix(b"\n")).hexdigest().encode() + b"\n")

    def close(self) -> None:
        """Put both members into the archive."""
        self._content.close()
        self._digests.close()


def write_records(archive: ArchiveWriter, folder: str, records: Iterable[bytes]) -> None:
    """Write `records`, SEGMENT in a member; a folder without records has one empty member."""
    source = iter(records)
    for number in count(1):
        some = list(islice(source, SEGMENT))
        if not some and number > 1:
            return
        lines = Lines(archive, segment(folder, number))
        for record in some:
            lines.add(record + b"\n")
        lines.close()


class CsvTable:
    """A table of the export, its heads first."""

    def __init__(self, archive: ArchiveWriter, name: str) -> None:
        self._lines = Lines(archive, CSV[name])
        self.add(HEADS[name])

    def add(self, cells: Cells) -> None:
        """Add a row."""
        self._lines.add(csv_line(cells))

    def close(self) -> None:
        """Put the table into the archive."""
        self._lines.close()
