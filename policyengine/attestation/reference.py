"""Measured software against reference values (RFC 9334 section 8.3): what is endorsed, and as which release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from policyengine.model.endorsements import Endorser, Measured, ReferenceValues, Release


class Match(Enum):
    """How one component compares: `none` when there was nothing to compare with."""

    ENDORSED = "endorsed"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    NONE = "none"

    def __init__(self, word: str) -> None:
        """Keep the value as `word`: an attribute, while an Enum is slow to tell its `value`."""
        self.word = word


class Comparison(NamedTuple):
    """One match a component, in order; `svn` and `version` of the release that the whole inventory is, if it is one.

    They are None when no current release has exactly these components, and when several do and disagree; so is
    `endorser`, which says who vouches for that release. `whole` is whether there is such a release, None when there was
    nothing to compare.
    """

    matches: tuple[Match, ...]
    svn: int | None = None
    version: str | None = None
    endorser: Endorser | None = None
    until: datetime | None = None
    whole: bool | None = None

    @property
    def endorsement(self) -> dict[str, object]:
        """The facts of group `endorsement`: whether the whole inventory matched, and what is known of that release."""
        found = self.endorser
        if found is None:
            return {} if self.whole is None else {"matched": self.whole}
        ends = [each for each in (self.until, found.valid_until) if each is not None]
        facts: dict[str, object | None] = {
            "matched": self.whole,
            "corim_id": found.corim_id,
            "signer": found.party,
            "valid_until": min(ends, default=None),
            "min_svn": found.min_svn,
        }
        return {name: value for name, value in facts.items() if value is not None}


_ENDORSED = (Match.ENDORSED,)


def sole_release(inventory: frozenset[Measured | None], endorsements: ReferenceValues, now: datetime) -> Release | None:
    """Return the release that `inventory` is at `now`, if it is one as a whole and no other has the same components."""
    known = endorsements.by_inventory.get(inventory, ())
    return known[0] if len(known) == 1 and known[0].is_current(now) else None


def compare(
    components: Sequence[Measured | None], *, endorsements: ReferenceValues | None, now: datetime
) -> Comparison:
    """Return how `components` (name and digest; None where the evidence gives no such pair) compare at `now`."""
    if endorsements is None:
        return Comparison(matches=(Match.NONE,) * len(components))
    known = endorsements.by_inventory.get(frozenset(components), ())
    if known:  # if any is current, all components are endorsed, being those of a release
        endorsed = _ENDORSED * len(components)
        first = known[0]
        if len(known) == 1 and first.is_current(now):
            return Comparison(endorsed, first.svn, first.version, first.endorser, first.until, True)  # noqa: FBT003
        releases = [release for release in known if release.is_current(now)]
        if releases:
            return _agreed(endorsed, releases)
    matches = tuple([_match(component, endorsements, now) for component in components])
    return Comparison(matches=matches, whole=False if components else None)


def _agreed(matches: tuple[Match, ...], releases: Sequence[Release]) -> Comparison:
    """Return what all `releases` say; where they differ, None: nothing ambiguous is guessed."""
    first = releases[0]
    endorsers = {(each.endorser, each.until) for each in releases}
    endorser, until = next(iter(endorsers)) if len(endorsers) == 1 else (None, None)
    svns, versions = {each.svn for each in releases}, {each.version for each in releases}
    svn, version = first.svn if len(svns) == 1 else None, first.version if len(versions) == 1 else None
    return Comparison(matches=matches, svn=svn, version=version, endorser=endorser, until=until, whole=True)


def add_matches(rows: Iterable[dict[str, object]], comparison: Comparison) -> None:
    """Add to the facts of each component how it compares, and what its release says where the component does not."""
    version, svn = comparison.version, comparison.svn
    for row, match in zip(rows, comparison.matches, strict=True):
        row["match"] = match.word
        if version is not None and "version" not in row:
            row["version"] = version
        if svn is not None and "svn" not in row:
            row["svn"] = svn


def _match(component: Measured | None, endorsements: ReferenceValues, now: datetime) -> Match:
    releases = endorsements.by_component.get(component, ()) if component else ()
    if not releases:
        return Match.UNKNOWN
    return Match.ENDORSED if any(release.is_current(now) for release in releases) else Match.REVOKED
