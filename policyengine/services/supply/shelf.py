"""What is on file about each release, ready to become facts: looked up at most once a second, parsed once."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from policyengine.model.endorsements import ReferenceValues
from policyengine.model.facts import Provenance, Source
from policyengine.model.ids import DeviceId, Digest
from policyengine.model.times import parse_timestamp
from policyengine.services.errors import MissingError
from policyengine.services.filed import Filed, FiledReads, Filing
from policyengine.services.ports import Clock
from policyengine.services.supply.running import declared_release, running_release

POLL = timedelta(seconds=1)  # how long a worker may decide by what was on file before
MAX_KEPT = 256  # releases kept parsed; the largest have some megabytes


class Documents(FiledReads, Protocol):
    """What is on file, and content by digest."""

    def document(self, digest: Digest) -> bytes | None:
        """Return the content that `digest` names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplied:
    """Facts of a device from what is on file: values and provenance of whole groups, until they change by themselves.

    `known` are the groups that are ours to say of this model, also those of which nothing can be said now.
    """

    values: Mapping[str, object]
    origins: Mapping[str, Provenance]
    known: frozenset[str]
    until: datetime | None = None


SUPPLIED = frozenset({"sbom", "vuln"})
REPORTED = frozenset({"net", "config"})
NOTHING = Supplied(values={}, origins={}, known=frozenset())


class SupplyShelf:
    """Facts of releases by model."""

    def __init__(self, reads: Documents, clock: Clock, max_age: Mapping[str, timedelta]) -> None:
        self._reads = reads
        self._clock = clock
        self._max_age = max_age  # of feeds, by their names
        self._releases: Mapping[str, Mapping[str, Filed]] = {}
        self._parsed: OrderedDict[Digest, Mapping[str, Any]] = OrderedDict()
        self._mark = 0
        self._has_reports = False
        self._looked_at: datetime | None = None

    def forget(self) -> None:
        """Look again the next time: something was filed here."""
        self._looked_at = None

    def facts(self, model: str, software: object, endorsements: ReferenceValues | None, *, now: datetime) -> Supplied:
        """Return what is known of the release that `software` of a device of `model` is."""
        self._refresh()
        releases = self._releases.get(model)
        if releases is None:
            return NOTHING
        release = self._running(releases, software, endorsements)
        if release is None:
            return Supplied(values={}, origins={}, known=SUPPLIED)
        filed = releases.get(release)
        if filed is None:
            absent = Provenance(source=Source.OBSERVED, observed_at=now, complete=True)
            return Supplied(values={"sbom": {"present": False}}, origins={"sbom": absent}, known=SUPPLIED)
        return _supplied(filed, self._content(filed.content), self._max_age, now)

    def reports(self, device_id: DeviceId) -> Supplied:
        """Return what sensors and people say that they saw of a device, from the last report on each group."""
        self._refresh()
        if not self._has_reports:
            return NOTHING
        values: dict[str, object] = {}
        origins = {}
        for filed in self._reads.reports(device_id):
            found = self._content(filed.content)
            values[filed.name] = found["facts"]
            origins[filed.name] = Provenance(
                source=Source.OBSERVED,
                observed_at=parse_timestamp(found["observed_at"]),
                received_at=filed.filed_at,
                evidence_digest=filed.original,
                complete=found["complete"],
            )
        return Supplied(values=values, origins=origins, known=frozenset(values))

    def _running(
        self, releases: Mapping[str, Filed], software: object, endorsements: ReferenceValues | None
    ) -> str | None:
        if endorsements is not None:
            return running_release(software, endorsements)
        contents = {release: self._content(filed.content) for release, filed in releases.items()}
        subjects = {release: tuple(found["subject"]) for release, found in contents.items() if "subject" in found}
        return declared_release(software, subjects)

    def _refresh(self) -> None:
        now = self._clock.now()
        if self._looked_at is not None and timedelta(0) <= now - self._looked_at < POLL:
            return
        self._has_reports = self._has_reports or self._reads.has_reports()
        mark = self._reads.filing_mark()
        if mark != self._mark:
            found: dict[str, dict[str, Filed]] = {}
            for filed in self._reads.filed(Filing.FACTS):
                found.setdefault(filed.model, {})[filed.release] = filed
            self._releases, self._mark = found, mark
        self._looked_at = now

    def _content(self, digest: Digest) -> Mapping[str, Any]:
        found = self._parsed.get(digest)
        if found is None:
            found = self._parsed[digest] = _with_tuples(content_of(self._reads, digest))
            while len(self._parsed) > MAX_KEPT:
                self._parsed.popitem(last=False)
        else:
            self._parsed.move_to_end(digest)
        return found


def content_of(reads: Documents, digest: Digest) -> Any:
    """Return the parsed JSON document of that digest. Raises MissingError."""
    content = reads.document(digest)
    if content is None:
        raise MissingError(f"document `{digest}` is not stored", code="document.missing", digest=digest)
    return json.loads(content)


def _with_tuples(document: dict[str, Any]) -> Mapping[str, Any]:
    """Return `document` with its lists of facts as facts have them in memory."""
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


def _supplied(filed: Filed, found: Mapping[str, Any], max_age: Mapping[str, timedelta], now: datetime) -> Supplied:
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
    return Supplied(values=values, origins=origins, known=SUPPLIED, until=until)


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


_ADVISORIES = "osv"
_TOLD_BY = {"kev": "kev", "epss": "epss"}  # feed: field of the facts
