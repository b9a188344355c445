"""What an export is read from and written to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from policyengine.model.ids import DeviceId
from policyengine.services.exports.period import Scope
from policyengine.services.ports import Store
from policyengine.services.records import Activation, AuditEvent, CertificateRecord, DecisionRecord, Device, Verdict
from policyengine.transparency.leaf import Leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of an archive: its content's size and digest, and those of the bytes that stand for it."""

    name: str
    size: int
    sha256: str
    stored_size: int
    stored_sha256: str


class MemberWriter(Protocol):
    """A member being written; several may be open at once, and stand in the archive in the order they are closed."""

    def write(self, content: bytes) -> None:
        """Add `content`."""
        ...

    def close(self) -> None:
        """Put the member into the archive."""
        ...


class ArchiveWriter(Protocol):
    """An archive being written."""

    @property
    def members(self) -> Sequence[Member]:
        """The members closed so far, in order."""
        ...

    def member(self, name: str) -> MemberWriter:
        """Return a new member, compressed."""
        ...

    def plain(self, name: str, content: bytes) -> None:
        """Put in a member whose bytes stand for themselves."""
        ...


class ArchiveReader(Protocol):
    """An archive whose headers are those of its members; what the members hold is for the manifest to say."""

    @property
    def names(self) -> Sequence[str]:
        """The members' names, in order."""
        ...

    def plain(self, name: str, *, limit: int) -> bytes:
        """Return the content of a member that is stored as it is. Raises ExportError."""
        ...

    def sizes(self, name: str) -> tuple[int, int]:
        """Return the member's size, and the size of what stands for it."""
        ...

    def stored(self, name: str) -> Iterator[bytes]:
        """Yield the bytes that stand for a member. Raises ExportError."""
        ...

    def content(self, name: str) -> Iterator[bytes]:
        """Yield the member's content. Raises ExportError, possibly after some of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A decision and where its leaf stands (None: recorded before there were places)."""

    record: DecisionRecord
    leaf: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCertificate:
    """An issued certificate and where the leaf of its issue stands."""

    record: CertificateRecord
    leaf: int | None


class ExportReads(Protocol):
    """What an export reads; everything that was recorded up to leaf `size` of the log, and nothing later."""

    def devices_in(self, scope: Scope) -> Iterator[tuple[Device, ...]]:
        """Yield the devices of `scope` by id, a parcel at a time."""
        ...

    def decisions_of(
        self, devices: Sequence[DeviceId], *, start: datetime, end: datetime, size: int
    ) -> Iterator[Placed]:
        """Yield the decisions in force between `start` and `end`, by device and time."""
        ...

    def verdicts_of(self, devices: Sequence[DeviceId], *, start: datetime, end: datetime) -> Iterator[Verdict]:
        """Yield verdict intervals that touch the time between `start` and `end`, by device, binding, rule and time."""
        ...

    def certificates_of(
        self, devices: Sequence[DeviceId], *, start: datetime, end: datetime, size: int
    ) -> Iterator[PlacedCertificate]:
        """Yield issued certificates that were valid between `start` and `end`, by device and lineage."""
        ...

    def results_of(self, devices: Sequence[DeviceId]) -> Iterator[tuple[DeviceId, bytes]]:
        """Yield the last replies to check-ins that are still kept, by device."""
        ...

    def leaves_between(self, start: datetime, end: datetime, *, size: int) -> Iterator[Leaf]:
        """Yield the leaves of a period, in the log's order."""
        ...

    def leaves_at(self, indexes: Sequence[int]) -> Iterator[Leaf]:
        """Yield the leaves at `indexes`, which ascend."""
        ...

    def activations_between(self, start: datetime, end: datetime) -> tuple[Activation, ...]:
        """Return which bundles were in force between `start` and `end`, oldest first."""
        ...

    def acts_about(self, subject: str) -> tuple[int, ...]:
        """Return where the leaves of administrative acts on `subject` stand."""
        ...

    def acts_on(self, subject: str) -> tuple[AuditEvent, ...]:
        """Return the administrative acts on `subject`, oldest first."""
        ...

    def first_decision_at(self) -> datetime | None:
        """Return when the oldest kept decision was made."""
        ...

    def prunable(self, before: datetime) -> int:
        """Return how many decisions made before a moment nothing here needs any more."""
        ...


class ExportStore(Store, ExportReads, Protocol):
    """All of storage, with what exports read."""
