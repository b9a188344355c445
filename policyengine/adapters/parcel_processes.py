"""Verifying parcels of an export in several processes: each opens the file itself and sends back what came of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from policyengine.adapters.evidence_archive import OpenedArchive
from policyengine.services.exports.layout import MANIFEST
from policyengine.services.exports.manifest import MAX_MANIFEST, manifest_from
from policyengine.services.exports.parcels import Bench, Outcome, verify_parcel

WORTH_IT = 2_000  # decisions below which a second process starts later than the first one ends


def processes() -> int:
    """Return how many processes may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ParcelProcesses:
    """Implements the Spread port of verification over an export whose bytes are verified."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def __call__(self, numbers: Iterable[int]) -> Iterator[Iterable[Outcome]]:
        """Begin with all parcels at once; what came of each can be taken in order, as soon as it is there."""
        pool = ProcessPoolExecutor(processes(), mp_context=get_context("spawn"))
        try:
            yield pool.map(_verified, ((str(self._path), number) for number in numbers))
        finally:
            pool.shutdown(cancel_futures=True)


def _verified(task: tuple[str, int]) -> Outcome:
    path, number = task
    return verify_parcel(_bench(path), number)


@cache
def _bench(path: str) -> Bench:
    archive = OpenedArchive(Path(path))
    return Bench(archive, manifest_from(archive.plain(MANIFEST, limit=MAX_MANIFEST)).request)
