"""Documents of an export by digest: facts and priors, unpacked a segment at a time when they are first asked for."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from policyengine.model.ids import Digest
from policyengine.services.exports.layout import FACTS, PRIORS
from policyengine.services.exports.ports import ArchiveReader
from policyengine.services.exports.reading import lines

_SEGMENTS_KEPT = 4  # unpacked segments; documents stand in the order of their first use
_DOCUMENTS_KEPT = 4096  # what many devices share is asked for again long after


class DocumentShelf:
    """Reads documents; what is returned has the digest it was asked by."""

    def __init__(self, archive: ArchiveReader) -> None:
        self._archive = archive
        self._places = {
            digest: (name.removesuffix(".sha256") + ".jsonl", at)
            for name in archive.names
            if name.startswith((f"{FACTS}/", f"{PRIORS}/")) and name.endswith(".sha256")
            for at, digest in enumerate(lines(archive, name))
        }
        self._segments: OrderedDict[str, list[bytes]] = OrderedDict()
        self._kept: OrderedDict[Digest, bytes] = OrderedDict()

    def document(self, digest: Digest) -> bytes | None:
        """Return the document that `digest` names, None if the export lacks it. Raises ExportError."""
        found = self._kept.get(digest)
        if found is None:
            place = self._places.get(digest[7:].encode())
            if place is None:
                return None
            found = self._segment(place[0])[place[1]]
            if hashlib.sha256(found).hexdigest() != digest[7:]:
                return None
            self._kept[digest] = found
        self._kept.move_to_end(digest)
        if len(self._kept) > _DOCUMENTS_KEPT:
            self._kept.popitem(last=False)
        return found

    def _segment(self, name: str) -> list[bytes]:
        if name not in self._segments:
            self._segments[name] = list(lines(self._archive, name))
        self._segments.move_to_end(name)
        if len(self._segments) > _SEGMENTS_KEPT:
            self._segments.popitem(last=False)
        return self._segments[name]
