"""Which release of its model a device runs, as its measured software tells it; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policyengine.model.endorsements import Measured, ReferenceValues


def running_release(software: object, endorsements: ReferenceValues | None) -> str | None:
    """Return the version of the release whose whole inventory `software` is; None where none is, or several differ.

    Also of a release that is no longer endorsed: what is known of it matters then most.
    """
    if endorsements is None:
        return None
    measured = frozenset[Measured | None]((str(row.get("name")), str(row.get("digest"))) for row in _rows(software))
    versions = {release.version for release in endorsements.by_inventory.get(measured, ())}
    return versions.pop() if len(versions) == 1 else None


def declared_release(software: object, subjects: Mapping[str, tuple[str, str]]) -> str | None:
    """Return the one release whose subject (name, version) the device says to run, where nothing can be measured."""
    said = {(row.get("name"), row.get("version")) for row in _rows(software)}
    found = [release for release, subject in subjects.items() if subject in said]
    return found[0] if len(found) == 1 else None


def _rows(software: object) -> Iterable[Mapping[str, object]]:
    return [row for row in software if isinstance(row, dict)] if isinstance(software, list | tuple) else []
