"""Measured software against reference values (RFC 9334 section 8.3): what is endorsed, and as which release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from policyengine.model.endorsements import Measured, ReferenceValues, Release


class Match(Enum):
    """How one component compares: `none` when there was nothing to compare with."""

    ENDORSED = "endorsed"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One match a component, in order; `svn` and `version` of the release that the whole inventory is, if it is one.

    They are None when no current release has exactly these components, and when several do and disagree.
    """

    matches: tuple[Match, ...]
    svn: int | None = None
    version: str | None = None


def compare(
    components: Sequence[Measured | None], *, endorsements: ReferenceValues | None, now: datetime
) -> Comparison:
    """Return how `components` (name and SHA-256; None where the evidence gives no such pair) compare at `now`."""
    if endorsements is None:
        return Comparison(matches=(Match.NONE,) * len(components))
    known = endorsements.by_inventory.get(frozenset(components), ())
    releases = [release for release in known if release.is_current(now)]
    if releases:  # all components are endorsed, being those of a current release
        matches = (Match.ENDORSED,) * len(components)
        svn, version = _agreed(releases)
        return Comparison(matches=matches, svn=svn, version=version)
    return Comparison(matches=tuple([_match(component, endorsements, now) for component in components]))


def _agreed(releases: Sequence[Release]) -> tuple[int | None, str | None]:
    """Return the SVN and version that all `releases` have; where they differ, None: nothing ambiguous is guessed."""
    first = releases[0]
    if len(releases) == 1:
        return first.svn, first.version
    svns, versions = {each.svn for each in releases}, {each.version for each in releases}
    return first.svn if len(svns) == 1 else None, first.version if len(versions) == 1 else None


def _match(component: Measured | None, endorsements: ReferenceValues, now: datetime) -> Match:
    releases = endorsements.by_component.get(component, ()) if component else ()
    if not releases:
        return Match.UNKNOWN
    return Match.ENDORSED if any(release.is_current(now) for release in releases) else Match.REVOKED
