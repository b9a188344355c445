"""Sums over time: a change is added to what holds now, and to the stretch of time that it falls into.

What had happened by a moment is then the stretches that were over, and the changes of the one that was not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from policyengine.services.compliance.stance import framework_of

NOW = -1  # the bucket of what holds now
WIDTH = 39  # log2 of a bucket's microseconds, 6.4 days: 57 a year, and seldom a tenth of a fleet changes within one
UNIT = 10  # log2 of microseconds: weights fit 64 bits for ten billion devices that change in one bucket

Key = tuple[str, str, str, str]


def bucket_of(at_us: int) -> int:
    """Return the bucket that holds a moment."""
    return at_us >> WIDTH


def start_of(bucket: int) -> int:
    """Return when a bucket begins."""
    return bucket << WIDTH


class Tallies:
    """What one transaction adds to the sums."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, Key], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, key: Key, delta: int, *, at_us: int) -> None:
        """Count `delta` devices (control, model, result, source) more or fewer from `at_us` on."""
        bucket = bucket_of(at_us)
        self._sums[NOW, key][0] += delta
        sums = self._sums[bucket, key]
        sums[0] += delta
        sums[1] += delta * ((at_us - start_of(bucket)) >> UNIT)

    def drained(self) -> Iterator[dict[str, object]]:
        """Yield the rows to add to the stored sums, and forget them."""
        sums, self._sums = self._sums, defaultdict(lambda: [0, 0])
        for (bucket, (control, model, result, source)), (delta, weight) in sorted(sums.items()):
            if delta or weight:
                place = {"framework": framework_of(control), "bucket": bucket, "control": control, "model": model}
                yield {**place, "result": result, "source": source, "delta": delta, "weight": weight}
