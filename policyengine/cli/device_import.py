"""How an import of devices is shown: what changes, what contradicts the registry, and how far it has come."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import TracebackType

from policyengine.services.registry.registration import Changed, RegistryDiff

MAX_SHOWN = 20  # lines of each kind; a table of 200,000 is read with --output json


class Progress:
    """One line on a terminal that says how many devices are written; nothing anywhere else."""

    def __init__(self, *, total: int) -> None:
        self._total = total
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        """Start at none."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """End the line."""
        if self._shown and self._total:
            sys.stderr.write("\n")

    def reached(self, count: int) -> None:
        """Say that `count` devices are written."""
        if self._shown:
            sys.stderr.write(f"\r{count:,} of {self._total:,} devices written")
            sys.stderr.flush()


def diff_lines(diff: RegistryDiff, *, dry_run: bool) -> Iterator[str]:
    """Yield the difference for a person, its sum last."""
    for mark, found in (("conflict", diff.conflicts), ("change", diff.changed)):
        for changed in found[:MAX_SHOWN]:
            yield f"{mark}: {changed.before.id}: {_described(changed)}"
        if len(found) > MAX_SHOWN:
            yield f"{mark}: and {len(found) - MAX_SHOWN:,} more (--output json has them all)"
    counted = f"{len(diff.new):,} new, {len(diff.changed):,} changed, {diff.unchanged:,} as they were"
    if diff.conflicts:
        yield f"{counted}, {len(diff.conflicts):,} registered with another identity: nothing was imported"
    elif dry_run:
        yield f"{counted}; nothing was written (--dry-run)"
    else:
        yield f"{counted}; imported"


def diff_document(diff: RegistryDiff) -> Mapping[str, object]:
    """Return the difference as JSON."""
    return {
        "added": len(diff.new),
        "changed": [_document(changed) for changed in diff.changed],
        "unchanged": diff.unchanged,
        "conflicts": [_document(changed) for changed in diff.conflicts],
    }


def _document(changed: Changed) -> Mapping[str, object]:
    fields = {name: {"from": _plain(before), "to": _plain(after)} for name, (before, after) in changed.fields.items()}
    return {"device_id": changed.before.id, "fields": fields}


def _described(changed: Changed) -> str:
    return ", ".join(f"{name} {_text(before)} -> {_text(after)}" for name, (before, after) in changed.fields.items())


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _text(value: object) -> str:
    return "-" if value is None else ascii(_plain(value)).strip("'")
