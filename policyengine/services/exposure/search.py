"""Exposure: the devices that run what somebody looks for, from the facts of their last decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policyengine.decision.facts_parts import join_document
from policyengine.model.ids import DeviceId, Digest
from policyengine.model.version import VersionError
from policyengine.services.actors import Principal
from policyengine.services.checkins.judging import Memory
from policyengine.services.errors import InvalidRequestError
from policyengine.services.exposure.components import ComponentQuery, Sighting, demand_range, sightings
from policyengine.services.fleet_scope import FleetScope, narrowed
from policyengine.services.ports import PageRequest, Store
from policyengine.services.records import DecisionRecord, Device, DeviceState, Page

MAX_FACTS = 20_000  # distinct fact sets of one search; each is read once, and a statement names no more of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A device that runs it. `source` is who vouches for the fact.

    `since` is the earliest kept decision from which on every kept one was made on facts that have it; the last
    decision where none was kept since.
    """

    device: Device
    sighting: Sighting
    source: str | None
    since: datetime


class Exposure:
    """Reads for everyone; a viewer of some models finds only those."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory

    def find(
        self,
        viewer: Principal,
        query: ComponentQuery,
        scope: FleetScope,
        page: PageRequest,
        *,
        as_of: datetime | None = None,
    ) -> Page[tuple[Exposed, ...]]:
        """Return a page of devices by id, each with what it runs of that, or ran at `as_of`.

        Raises InvalidRequestError.
        """
        _demand_something(query)
        _demand_readable(query)
        seen = narrowed(scope, viewer)
        store = self._store
        facts = store.facts_in_use(seen) if as_of is None else store.facts_in_use_at(seen, as_of)
        if len(facts) > MAX_FACTS:
            raise InvalidRequestError(
                f"more than {MAX_FACTS} different sets of facts; narrow the scope", code="request.scope", path="scope"
            )
        sighted = {digest: self._sighted(digest, query) for digest in facts}
        holding = {digest: seen_there for digest, seen_there in sighted.items() if seen_there}
        found = self._running(seen, tuple(holding), page, as_of)
        since = self._since(tuple(device.id for device, _ in found.items), query, until=as_of)
        items = tuple(
            _exposed(device, held, holding[held.facts_shared], since, self._memory) for device, held in found.items
        )
        return Page(items=items, next=found.next)

    def _running(
        self, scope: FleetScope, facts: tuple[Digest, ...], page: PageRequest, as_of: datetime | None
    ) -> Page[tuple[Device, DeviceState]] | Page[tuple[Device, DecisionRecord]]:
        if as_of is None:
            return self._store.running(scope, facts, page)
        return self._store.running_at(scope, facts, page, as_of)

    def _sighted(self, digest: Digest, query: ComponentQuery) -> tuple[Sighting, ...]:
        return sightings(json.loads(self._memory.shared_facts(digest)), query)

    def _since(
        self, ids: tuple[DeviceId, ...], query: ComponentQuery, *, until: datetime | None
    ) -> Mapping[DeviceId, datetime]:
        since: dict[DeviceId, datetime] = {}
        known: dict[Digest, bool] = {}
        for device_id, kept in self._store.facts_history(ids).items():
            for at, digest in kept:
                if until is not None and at > until:
                    continue
                if digest not in known:
                    known[digest] = bool(self._sighted(digest, query))
                if not known[digest]:
                    break
                since[device_id] = at
        return since


def _demand_something(query: ComponentQuery) -> None:
    named = (query.name, query.purl, query.digest, query.cve)
    if all(each is None for each in named):
        raise InvalidRequestError(
            "say `component`, `purl`, `digest` or `cve`", code="request.component", path="component"
        )


def _demand_readable(query: ComponentQuery) -> None:
    try:
        demand_range(query)
    except VersionError as cause:
        raise InvalidRequestError(f"version: {cause}", code="request.version", path="version") from cause


def _exposed(
    device: Device,
    held: DeviceState | DecisionRecord,
    found: tuple[Sighting, ...],
    since: Mapping[DeviceId, datetime],
    memory: Memory,
) -> tuple[Exposed, ...]:
    provenance = _provenance(held, memory)
    return tuple(
        Exposed(
            device=device,
            sighting=sighting,
            source=_source(provenance, sighting.component.group),
            since=since.get(device.id, held.decided_at),
        )
        for sighting in found
    )


def _provenance(held: DeviceState | DecisionRecord, memory: Memory) -> Mapping[str, Any]:
    facts: dict[str, Any] = join_document(memory.shared_facts(held.facts_shared), held.facts_own)
    found: Mapping[str, Any] = facts["provenance"]
    return found


def _source(provenance: Mapping[str, Any], path: str) -> str | None:
    """Return the source of the longest path that `path` starts with."""
    holding = [each for each in provenance if each in ("", path) or path.startswith(f"{each}.")]
    return str(provenance[max(holding, key=len)]["source"]) if holding else None
