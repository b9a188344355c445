"""What is on file as the facts that it is: whole groups, their provenance, and until when they hold; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from policyengine.decision.ingest import read_groups
from policyengine.model.facts import Provenance, Source
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.times import parse_timestamp
from policyengine.services.filed import Filed

PARTS = frozenset({"sbom", "vuln"})
USAGE = frozenset({"mud"})
SUPPLIED = PARTS | USAGE
REPORTED = frozenset({"net", "config"})

_ADVISORIES = "osv"
_TOLD_BY = {"kev": "kev", "epss": "epss"}  # feed: field of the facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplied:
    """Facts of a device from what is on file: values and provenance of whole groups, until they change by themselves.

    `known` are the groups that are ours to say of this model, also those of which nothing can be said now.
    """

    values: Mapping[str, object]
    origins: Mapping[str, Provenance]
    known: frozenset[str]
    until: datetime | None = None

    def beside(self, other: Supplied) -> Supplied:
        """Return both, which are of other groups, until the first of them changes."""
        ends = [each.until for each in (self, other) if each.until is not None]
        return Supplied(
            values={**self.values, **other.values},
            origins={**self.origins, **other.origins},
            known=self.known | other.known,
            until=min(ends, default=None),
        )


NOTHING = Supplied(values={}, origins={}, known=frozenset())


def absent(group: str, known: frozenset[str], now: datetime) -> Supplied:
    """Return that a release has nothing on file, where others of its model have."""
    seen = Provenance(source=Source.OBSERVED, observed_at=now, complete=True)
    return Supplied(values={group: {"present": False}}, origins={group: seen}, known=known)


def usage_ends(filed: Filed, found: Mapping[str, Any]) -> datetime:
    """Return when a MUD file must be fetched again and counts no more (RFC 8520 section 3.5)."""
    return filed.filed_at + timedelta(hours=found["validity"])


def usage_of(filed: Filed, found: Mapping[str, Any], now: datetime) -> Supplied:
    """Return what a MUD file says; nothing once it counts no more."""
    until = usage_ends(filed, found)
    if now >= until:
        return Supplied(values={}, origins={}, known=USAGE)
    said, lists = (
        Provenance(
            source=Source.DECLARED, observed_at=filed.filed_at, evidence_digest=filed.original, complete=complete
        )
        for complete in (False, True)
    )
    whole = {f"mud.{name}": lists for name in ("inbound", "outbound") if not found["left_out"][name]}
    return Supplied(
        values={"mud": {**found["mud"], "valid_until": until}}, origins={"mud": said, **whole}, known=USAGE, until=until
    )


def as_in_memory(document: dict[str, Any]) -> Mapping[str, Any]:
    """Return `document` with its lists of facts as facts have them in memory."""
    if "mud" in document:
        return document | read_groups({"mud": document["mud"]}, schema=CORE_SCHEMA)
    if "sbom" not in document:
        facts = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in document["facts"].items()}
        return document | {"facts": facts}
    sbom = document["sbom"]
    changed = {"sbom": sbom | {"components": tuple(sbom["components"])}}
    if "vuln" in document:
        feeds = {
            name: (parse_timestamp(feed["observed_at"]), feed["pack"])
            for name, feed in document["vuln"]["feeds"].items()
        }
        changed["vuln"] = document["vuln"] | {"rows": tuple(document["vuln"]["rows"]), "feeds": feeds}
    return document | changed


def parts_of(filed: Filed, found: Mapping[str, Any], max_age: Mapping[str, timedelta], now: datetime) -> Supplied:
    """Return what an SBOM and the feeds say of a release, without what feeds say that are too old."""
    sbom = Provenance(
        source=Source.DECLARED,
        observed_at=filed.filed_at,
        evidence_digest=filed.original,
        complete=found["whole"],
    )
    values: dict[str, object] = {"sbom": found["sbom"]}
    origins = {"sbom": sbom}
    until = None
    if "vuln" in found:
        until = _add_vulnerabilities(values, origins, found["vuln"], max_age, now)
    return Supplied(values=values, origins=origins, known=PARTS, until=until)


def _add_vulnerabilities(
    values: dict[str, object],
    origins: dict[str, Provenance],
    found: Mapping[str, Any],
    max_age: Mapping[str, timedelta],
    now: datetime,
) -> datetime | None:
    """Add what the feeds say; return when the next one of them becomes stale.

    Without advisories that are fresh nothing is said; without another fresh feed, nothing of what it alone tells.
    """
    fresh: dict[str, datetime] = {name: at for name, (at, _) in found["feeds"].items() if now < at + max_age[name]}
    if _ADVISORIES not in fresh:
        return None
    unsaid = [told for name, told in _TOLD_BY.items() if name in found["feeds"] and name not in fresh]
    rows = found["rows"]
    if unsaid:
        rows = tuple({name: value for name, value in row.items() if name not in unsaid} for row in rows)
    values["vuln"] = rows
    origins["vuln"] = Provenance(
        source=Source.DECLARED,
        observed_at=min(fresh.values()),
        evidence_digest=found["feeds"][_ADVISORIES][1],
        complete=found["whole"],
    )
    return min(at + max_age[name] for name, at in fresh.items())
