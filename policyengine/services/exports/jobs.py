"""Exports over HTTP: asked for, written beside other work, fetched when they stand; the same question is one export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from policyengine.model.canonical import canonical
from policyengine.model.ids import Digest, digest, digest_of
from policyengine.services.actors import Principal, Right, demand, demand_whole_fleet
from policyengine.services.errors import ConflictError, MissingError
from policyengine.services.exports.exporting import Exports
from policyengine.services.exports.period import ExportRequest
from policyengine.services.exports.ports import ArchiveWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportState:
    """How far an export is: `running`, `done` (with its size in bytes) or `failed` (with a stable code)."""

    state: str
    size: int | None = None
    code: str | None = None


class ExportFolder(Protocol):
    """Where exports are written and kept for some days."""

    def begin(self, name: str, write: Callable[[ArchiveWriter], object]) -> None:
        """Have `write` fill the export `name` beside other work, unless it stands or is being written.

        Raises UnavailableError when too many wait.
        """
        ...

    def state(self, name: str) -> ExportState | None:
        """Return how far an export is; None: nobody asked for it, or it is no longer kept."""
        ...

    def content(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of an export that is done."""
        ...


class ExportJobs:
    """Exports that are written while their asker waits for something else."""

    def __init__(self, exports: Exports, folder: ExportFolder) -> None:
        self._exports, self._folder = exports, folder

    def ask(self, actor: Principal, request: ExportRequest) -> tuple[Digest, ExportState]:
        """Return the name and state of the export for `request`, which is begun unless it was before.

        Raises ForbiddenError, InvalidRequestError, UnavailableError.
        """
        accepted = self._exports.accepted(actor, request)
        name = digest_of(canonical(accepted.document))
        self._folder.begin(_file(name), lambda archive: self._exports.write(actor, accepted, archive))
        return name, self._state(name)

    def state(self, viewer: Principal, name: str) -> ExportState:
        """Return how far an export is. Raises ForbiddenError, InvalidNameError, MissingError."""
        demand(viewer, Right.AUDIT)
        demand_whole_fleet(viewer)
        return self._state(digest(name))

    def content(self, viewer: Principal, name: str) -> tuple[int, Iterator[bytes]]:
        """Return an export's size and bytes. Raises as `state` does, and ConflictError while it is not done."""
        found = self.state(viewer, name)
        if found.size is None:
            raise ConflictError(f"the export is {found.state}", code="export.not-done", state=found.state)
        return found.size, self._folder.content(_file(digest(name)))

    def _state(self, name: Digest) -> ExportState:
        found = self._folder.state(_file(name))
        if found is None:
            raise MissingError("no export of that name is kept", code="export.missing")
        return found


def _file(name: Digest) -> str:
    return name.removeprefix("sha256:")
