"""Documents of suppliers and feeds that are in use, and what is read of them in storage; adapters implement it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from policyengine.model.ids import DeviceId, Digest
from policyengine.services.acts import Act, Document
from policyengine.services.records import Page


class Filing(Enum):
    """What a document on file is."""

    SBOM = "sbom"
    VEX = "vex"  # of a release, by the document's own name
    MUD = "mud"  # of a release, or of all of a model, which stands where others have the release as nothing
    FEED = "feed"  # of vulnerabilities, by its name
    REPORT = "report"  # of one device, which stands where others have the release, by the group of facts
    FACTS = "facts"  # of one release: what follows from all the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """A document in use. A later one of the same kind, model, release and name takes its place.

    `original` is the digest of what was sent, `content` that of what was read out of it. `by` is the person or program,
    `party` whom it spoke for. `model` and `release` are empty for what is about all of them.
    """

    kind: Filing
    model: str
    release: str
    name: str
    original: Digest
    content: Digest
    by: str
    party: str | None
    filed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDocuments:
    """File what brings facts; `devices`, and those of `models`, are decided anew. `seen`: nothing was filed since."""

    filed: tuple[Filed, ...]
    documents: tuple[Document, ...]
    seen: int | None
    models: frozenset[str]
    act: Act
    devices: frozenset[DeviceId] = frozenset()


class FiledReads(Protocol):
    """What is on file."""

    def filing_mark(self) -> int:
        """Return a number that rises with everything filed but reports; 0: nothing was."""
        ...

    def has_reports(self) -> bool:
        """Return whether anybody ever reported on a device."""
        ...

    def reports(self, device_id: DeviceId) -> tuple[Filed, ...]:
        """Return the reports on one device."""
        ...

    def report_page(self, cursor: str | None, limit: int, *, models: frozenset[str] | None) -> Page[Filed]:
        """Return at most `limit` reports after `cursor`, on devices of `models` or on all, by device and group."""
        ...

    def filed(self, *kinds: Filing, model: str | None = None, release: str | None = None) -> tuple[Filed, ...]:
        """Return the documents of some kinds, of one model or release where they are given, by their places."""
        ...
