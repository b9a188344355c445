"""Reference values that a party vouches for (RFC 9334 section 8.3), as plain digests per release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceValues:
    """The releases known for some models."""

    models: tuple[str, ...]
    releases: tuple[Release, ...]
