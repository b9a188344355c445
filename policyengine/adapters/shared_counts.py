"""What each worker has counted, as a file that the other ones read: whoever is asked answers for all of them.

NAME.json  written anew every second; a worker that is started again goes on from what its predecessor left there
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


class SharedCounts:
    """One worker's file, and those of the others beside it."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._own = directory / f"{name}.json"

    def write(self, document: Mapping[str, object]) -> None:
        """Replace this worker's file whole; it is no loss if a crash takes the last second of it."""
        fresh = self._own.with_suffix(".new")
        fresh.write_text(json.dumps(document), encoding="utf-8")
        fresh.replace(self._own)

    def left(self) -> Mapping[str, object] | None:
        """Return what this worker's predecessor wrote last, None if it has none."""
        try:
            return _read(self._own)
        except FileNotFoundError:
            return None

    def others(self) -> tuple[Mapping[str, object], ...]:
        """Return what the other workers wrote last."""
        return tuple(_read(path) for path in sorted(self._directory.glob("*.json")) if path != self._own)


def empty(directory: Path) -> None:
    """Make `directory` for workers that start to count."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for path in directory.iterdir():
        path.unlink()


def _read(path: Path) -> Mapping[str, object]:
    document: Mapping[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return document
