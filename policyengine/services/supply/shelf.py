"""What is on file about each release, ready to become facts: looked up at most once a second, parsed once."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
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
from policyengine.services.supply.supplied import (
    NOTHING,
    PARTS,
    USAGE,
    Supplied,
    absent,
    as_in_memory,
    parts_of,
    usage_of,
)

POLL = timedelta(seconds=1)  # how long a worker may decide by what was on file before
ALL_RELEASES = ""  # the place of what is filed of a model and no release of it
MAX_KEPT = 256  # releases kept parsed; the largest have some megabytes


class Documents(FiledReads, Protocol):
    """What is on file, and content by digest."""

    def document(self, digest: Digest) -> bytes | None:
        """Return the content that `digest` names."""
        ...


class SupplyShelf:
    """Facts of releases by model."""

    def __init__(self, reads: Documents, clock: Clock, max_age: Mapping[str, timedelta]) -> None:
        self._reads = reads
        self._clock = clock
        self._max_age = max_age  # of feeds, by their names
        self._releases: Mapping[str, Mapping[str, Filed]] = {}
        self._muds: Mapping[str, Mapping[str, Filed]] = {}
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
        releases, muds = self._releases.get(model), self._muds.get(model)
        if releases is None and muds is None:
            return NOTHING
        release = self._running(releases or {}, software, endorsements)
        parts = NOTHING if releases is None else self._parts(releases, release, now)
        return parts if muds is None else parts.beside(self._usage(muds, release, now))

    def _parts(self, releases: Mapping[str, Filed], release: str | None, now: datetime) -> Supplied:
        if release is None:
            return Supplied(values={}, origins={}, known=PARTS)
        filed = releases.get(release)
        return absent("sbom", PARTS, now) if filed is None else self._of_release(filed, now)

    def _of_release(self, filed: Filed, now: datetime) -> Supplied:
        return parts_of(filed, self._content(filed.content), self._max_age, now)

    def _usage(self, muds: Mapping[str, Filed], release: str | None, now: datetime) -> Supplied:
        """Return what the MUD file of a release allows, or that of all releases where it has none of its own."""
        filed = muds.get(release or ALL_RELEASES) or muds.get(ALL_RELEASES)
        if filed is not None:
            return usage_of(filed, self._content(filed.content), now)
        return Supplied(values={}, origins={}, known=USAGE) if release is None else absent("mud", USAGE, now)

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
            found: dict[Filing, dict[str, dict[str, Filed]]] = {Filing.FACTS: {}, Filing.MUD: {}}
            for filed in self._reads.filed(*found):
                found[filed.kind].setdefault(filed.model, {})[filed.release] = filed
            self._releases, self._muds, self._mark = found[Filing.FACTS], found[Filing.MUD], mark
        self._looked_at = now

    def _content(self, digest: Digest) -> Mapping[str, Any]:
        found = self._parsed.get(digest)
        if found is None:
            found = self._parsed[digest] = as_in_memory(content_of(self._reads, digest))
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
