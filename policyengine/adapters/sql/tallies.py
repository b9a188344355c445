"""Sums over time: buckets of three widths, so that any moment is reached over a few hundred of them.

A change at a moment is added to the bucket of each width that holds it, and to the one of what holds now. What had
happened by a moment is then the whole buckets before it: of the widest all, of each narrower one those inside the
wider one that is not over. What is left, less than the narrowest bucket, is read from the intervals themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

NOW = 0  # the level of what holds now
WIDTHS = (28, 34, 40)  # log2 of microseconds: 4.5 minutes, 4.8 hours, 12.7 days; 64 of each fill the next
UNIT = 10  # log2 of microseconds: weights fit 64 bits for 500 million devices that change in one bucket

Key = tuple[str, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Span:
    """Whole buckets of one width, `first` and those up to `end`, which is not one of them."""

    width: int
    first: int
    end: int


def spans(at_us: int) -> tuple[Span, ...]:
    """Return the buckets that are over at `at_us`; together with the rest from `rest_from` they are all of the past."""
    wider = (*WIDTHS[1:], None)
    return tuple(
        Span(width, 0 if above is None else (at_us >> above) << (above - width), at_us >> width)
        for width, above in zip(WIDTHS, wider, strict=True)
    )


def rest_from(at_us: int) -> int:
    """Return when the narrowest bucket that holds `at_us` began."""
    return (at_us >> WIDTHS[0]) << WIDTHS[0]


class Tallies:
    """What one transaction adds to the sums."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, int, Key], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, key: Key, delta: int, *, at_us: int) -> None:
        """Count `delta` devices (control, model, site, zone, result, source) more or fewer from `at_us` on."""
        self._sums[NOW, 0, key][0] += delta
        for width in WIDTHS:
            bucket = at_us >> width
            sums = self._sums[width, bucket, key]
            sums[0] += delta
            sums[1] += delta * ((at_us - (bucket << width)) >> UNIT)

    def drained(self) -> Iterator[dict[str, object]]:
        """Yield the rows to add to the stored sums, and forget them."""
        sums, self._sums = self._sums, defaultdict(lambda: [0, 0])
        for (level, bucket, key), (delta, weight) in sorted(sums.items()):
            if delta or weight:
                control, model, site, zone, result, source = key
                yield {
                    "level": level,
                    "bucket": bucket,
                    "control": control,
                    "model": model,
                    "site": site,
                    "zone": zone,
                    "result": result,
                    "source": source,
                    "delta": delta,
                    "weight": weight,
                }
