"""Exports asked for over HTTP, as files below the data directory: one is written at a time, each is kept for some days.

NAME.zip       an export that is done
NAME.running   locked by the process that writes it; unlocked: that process ended before it was done
NAME.failed    the code of what went wrong
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Lock

from policyengine.adapters.evidence_archive import ArchiveFile
from policyengine.errors import PolicyEngineError
from policyengine.services.errors import UnavailableError
from policyengine.services.exports.jobs import ExportState
from policyengine.services.exports.ports import ArchiveWriter
from policyengine.services.ports import Clock

KEPT = timedelta(days=7)  # an auditor fetches within the week; the same export can be asked for again
MAX_WAITING = 8  # exports that wait for the one being written; more would wait for hours
_PIECE = 1 << 18

_log = logging.getLogger(__name__)


class ExportFiles:
    """Implements the ExportFolder port. The lock is the file system's, so that all processes of a host agree."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory, self._clock = directory, clock
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="evidence-export")
        self._waiting: set[str] = set()
        self._lock = Lock()

    def begin(self, name: str, write: Callable[[ArchiveWriter], object]) -> None:
        """Have `write` fill the export `name` beside other work, unless it stands or is being written.

        Raises UnavailableError when too many wait.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_old()
        with self._lock:
            if name in self._waiting or self._zip(name).exists():
                return
            if len(self._waiting) >= MAX_WAITING:
                raise UnavailableError("too many exports wait; ask again later", code="export.busy")
            self._waiting.add(name)
        self._failed(name).unlink(missing_ok=True)
        self._pool.submit(self._run, name, write)

    def state(self, name: str) -> ExportState | None:
        """Return how far an export is; None: nobody asked for it, or it is no longer kept."""
        if self._zip(name).exists():
            return ExportState(state="done", size=self._zip(name).stat().st_size)
        if name in self._waiting:
            return ExportState(state="running")
        if self._failed(name).exists():
            return ExportState(state="failed", code=self._failed(name).read_text())
        running = self._running(name)
        if not running.exists():
            return None
        is_alive = not _lockable(running)
        return ExportState(state="running") if is_alive else ExportState(state="failed", code="export.interrupted")

    def content(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of an export that is done."""
        with self._zip(name).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def close(self) -> None:
        """Write what waits, and end."""
        self._pool.shutdown(wait=True)

    def _run(self, name: str, write: Callable[[ArchiveWriter], object]) -> None:
        try:
            with self._running(name).open("w") as running:
                fcntl.flock(running, fcntl.LOCK_EX)
                self._write(name, write)
                self._running(name).unlink()
        except PolicyEngineError as cause:
            self._fail(name, cause.code)
        except OSError as cause:
            _log.warning("an evidence export could not be written: %s", cause.strerror)
            self._fail(name, "export.storage")
        finally:
            with self._lock:
                self._waiting.discard(name)

    def _write(self, name: str, write: Callable[[ArchiveWriter], object]) -> None:
        archive = ArchiveFile(self._zip(name))
        try:
            write(archive)
            archive.finish()
        finally:
            archive.abandon()

    def _fail(self, name: str, code: str) -> None:
        self._failed(name).write_text(code)
        self._running(name).unlink(missing_ok=True)

    def _forget_old(self) -> None:
        before = (self._clock.now() - KEPT).timestamp()
        for path in self._directory.glob("*.*"):
            if path.suffix in {".zip", ".failed"} and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)

    def _zip(self, name: str) -> Path:
        return self._directory / f"{name}.zip"

    def _running(self, name: str) -> Path:
        return self._directory / f"{name}.running"

    def _failed(self, name: str) -> Path:
        return self._directory / f"{name}.failed"


def _lockable(path: Path) -> bool:
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True
