"""Reference values that a party vouches for (RFC 9334 section 8.3), as digests per release; formats match on these.

They come as plain digests in a ReferenceValues document, or from a signed CoRIM that such a document names; what is
here is the same for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from policyengine.model.later import LATER

# A component's name and its digest in lowercase hex: SHA-256, or SHA-384 or SHA-512, which its length tells apart. An
# inventory with None matches nothing.
Measured = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceComponent:
    """One software component of a release: its name and its SHA-256 in lowercase hex.

    `other` are digests of the same bytes by SHA-384 and SHA-512; where only those are given, `sha256` is empty.
    """

    name: str
    sha256: str
    other: tuple[str, ...] = ()

    @property
    def digests(self) -> tuple[str, ...]:
        """All digests, at most one in each algorithm."""
        return (self.sha256, *self.other) if self.sha256 else self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorser:
    """Who vouches for a release: the party, and where it signed a CoRIM, that CoRIM's id, digest and end of validity.

    `min_svn` is the lowest security version number that the CoRIM endorses; `class_id` the implementation it is of.
    """

    party: str
    corim_id: str | None = None
    corim_digest: str | None = None
    valid_until: datetime | None = None
    min_svn: int | None = None
    class_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A firmware release. `until` ends it, half-open: at that instant it is revoked."""

    version: str
    svn: int | None
    components: tuple[ReferenceComponent, ...]
    corim: str | None = None
    until: datetime | None = None
    endorser: Endorser | None = None

    def is_current(self, now: datetime) -> bool:
        """Return whether the release is still endorsed at `now`: not ended, and its CoRIM, if any, still valid."""
        ends = None if self.endorser is None else self.endorser.valid_until
        return (self.until is None or now < self.until) and (ends is None or now <= ends)

    def inventories(self) -> Iterator[frozenset[Measured]]:
        """Yield what a device that runs it measures: once in each algorithm in which all components have a digest."""
        for length in (64, 96, 128):
            found = {
                (each.name, digest) for each in self.components for digest in each.digests if len(digest) == length
            }
            if found and len({name for name, _ in found}) == len({each.name for each in self.components}):
                yield frozenset(found)


class KeyUse(Enum):
    """What a device does with a key: sign evidence, quote as its TPM's attestation key, or show who it is."""

    ATTEST = "attest"
    QUOTE = "quote"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestKey:
    """A key that a vendor vouches for as one device's (draft-ietf-rats-corim sections 5.1.9 and 5.1.10).

    `spki` is its SubjectPublicKeyInfo, `thumbprint` the `sha256:` name of that; `instance` what evidence calls the
    device: a UEID or other bytes in hex, or a UUID. `until` withdraws it, half-open, before its CoRIM ends.
    """

    use: KeyUse
    spki: bytes
    thumbprint: str
    instance: str
    class_id: str | None
    endorser: Endorser
    until: datetime | None = None

    def is_withdrawn(self, now: datetime) -> bool:
        """Return whether the repository ended it before `now`."""
        return self.until is not None and self.until <= now

    def is_expired(self, now: datetime) -> bool:
        """Return whether the CoRIM that it is from ended before `now`."""
        return self.endorser.valid_until is not None and self.endorser.valid_until < now


@dataclass(frozen=True, slots=True, kw_only=True)
class TagVersion:
    """A tag of a CoRIM and its version, which never goes back (draft-ietf-rats-corim section 5.1.1.2)."""

    tag: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceValues:
    """The releases known for some models, indexed by component and by whole inventory; `tags` of the CoRIMs used.

    `names` are those of all components; `attest_keys` those of devices of these models, or None where none are known.
    """

    models: tuple[str, ...]
    releases: tuple[Release, ...]
    tags: tuple[TagVersion, ...] = ()
    attest_keys: tuple[AttestKey, ...] | None = field(default=None, metadata=LATER)
    implementations: frozenset[str] = field(init=False, repr=False, compare=False)
    _of_implementation: dict[str, ReferenceValues] = field(init=False, repr=False, compare=False)
    by_component: Mapping[Measured, tuple[Release, ...]] = field(init=False, repr=False, compare=False)
    by_inventory: Mapping[frozenset[Measured | None], tuple[Release, ...]] = field(
        init=False, repr=False, compare=False
    )
    names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the indexes."""
        by_component: dict[Measured, tuple[Release, ...]] = {}
        by_inventory: dict[frozenset[Measured | None], tuple[Release, ...]] = {}
        for release in self.releases:
            for inventory in release.inventories():
                whole = frozenset[Measured | None](inventory)
                by_inventory[whole] = (*by_inventory.get(whole, ()), release)
            for measured in {(each.name, digest) for each in release.components for digest in each.digests}:
                by_component[measured] = (*by_component.get(measured, ()), release)
        named = frozenset(name for name in map(_implementation_of, self.releases) if name is not None)
        object.__setattr__(self, "implementations", named)
        object.__setattr__(self, "_of_implementation", {})
        object.__setattr__(self, "by_component", by_component)
        object.__setattr__(self, "by_inventory", by_inventory)
        object.__setattr__(self, "names", frozenset([name for name, _ in by_component]))

    def of_implementation(self, implementation_id: str) -> ReferenceValues:
        """Return these values without the releases that a CoRIM endorses for another PSA implementation id only."""
        if self.implementations <= {implementation_id}:
            return self
        known = implementation_id if implementation_id in self.implementations else ""  # no device fills the memory
        if known not in self._of_implementation:
            kept = tuple(each for each in self.releases if _implementation_of(each) in {None, known})
            self._of_implementation[known] = replace(self, releases=kept)
        return self._of_implementation[known]


def _implementation_of(release: Release) -> str | None:
    """Return the class id that a release is endorsed for if it can be an implementation id, which has 32 bytes."""
    named = None if release.endorser is None else release.endorser.class_id
    return named if named is not None and re.fullmatch("[0-9a-f]{64}", named) else None


def merged(documents: Iterable[ReferenceValues]) -> ReferenceValues:
    """Return the releases of several documents as one; a model or release named twice is kept once."""
    known = tuple(documents)
    return ReferenceValues(
        models=tuple(dict.fromkeys(model for each in known for model in each.models)),
        releases=tuple(dict.fromkeys(release for each in known for release in each.releases)),
        tags=tuple(dict.fromkeys(tag for each in known for tag in each.tags)),
        attest_keys=tuple(dict.fromkeys(key for each in known for key in each.attest_keys or ())) or None,
    )
