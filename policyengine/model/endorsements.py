"""Reference values that a party vouches for (RFC 9334 section 8.3), as plain digests per release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

# A component's name and its SHA-256 in lowercase hex. An inventory with None matches nothing.
Measured = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceComponent:
    """One software component of a release: its name and its SHA-256 in lowercase hex."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A firmware release. `until` ends it, half-open: at that instant it is revoked."""

    version: str
    svn: int | None
    components: tuple[ReferenceComponent, ...]
    corim: str | None = None
    until: datetime | None = None

    def is_current(self, now: datetime) -> bool:
        """Return whether the release is still endorsed at `now`."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceValues:
    """The releases known for some models, indexed by component and by whole inventory."""

    models: tuple[str, ...]
    releases: tuple[Release, ...]
    by_component: Mapping[Measured, tuple[Release, ...]] = field(init=False, repr=False, compare=False)
    by_inventory: Mapping[frozenset[Measured | None], tuple[Release, ...]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Build the two indexes."""
        by_component: dict[Measured, tuple[Release, ...]] = {}
        by_inventory: dict[frozenset[Measured | None], tuple[Release, ...]] = {}
        for release in self.releases:
            inventory = {(component.name, component.sha256) for component in release.components}
            whole = frozenset[Measured | None](inventory)
            by_inventory[whole] = (*by_inventory.get(whole, ()), release)
            for measured in inventory:
                by_component[measured] = (*by_component.get(measured, ()), release)
        object.__setattr__(self, "by_component", by_component)
        object.__setattr__(self, "by_inventory", by_inventory)


def merged(documents: Iterable[ReferenceValues]) -> ReferenceValues:
    """Return the releases of several documents as one; a model or release named twice is kept once."""
    known = tuple(documents)
    return ReferenceValues(
        models=tuple(dict.fromkeys(model for each in known for model in each.models)),
        releases=tuple(dict.fromkeys(release for each in known for release in each.releases)),
    )
