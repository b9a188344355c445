"""Facts in two parts: what many devices share, stored once by digest, and what only one device has.

One value of its own in a shared document (a serial, a time) would make every document distinct, so whatever names a
device or a moment goes into its own part, all provenance included. The parts are what is stored, and what names the
facts: the digest of all facts is that of their two digests, so that nothing is written and hashed a second time whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from policyengine.decision.facts_json import provenance_document, quick_canonical
from policyengine.decision.ingest import read_facts
from policyengine.model.facts import Facts, Provenance
from policyengine.model.ids import Digest, digest_of
from policyengine.model.schema import FactSchema

# Groups and facts that differ from device to device or from moment to moment.
_OWN_GROUPS = frozenset({"cert", "csr", "ops", "pcrs", "ca"})
_OWN_FACTS: Mapping[str, frozenset[str]] = {
    "device": frozenset({"id", "serial", "enrolled_at", "labels"}),
    "identity": frozenset({"key_thumbprint"}),
    "evidence": frozenset({"age", "digest"}),
    "boot": frozenset({"seed", "count", "reset_count"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The two parts of facts as canonical JSON, the name of the shared one, and the name of both together."""

    shared: bytes
    own: bytes
    shared_digest: Digest
    digest: Digest


def split(facts: Facts) -> Parts:
    """Return the parts of `facts`; equal facts have equal parts, in whatever order they were gathered."""
    shared: dict[str, object] = {}
    own: dict[str, object] = {}
    for group, content in facts.values.items():
        names = _OWN_FACTS.get(group)
        if names is not None and isinstance(content, dict):
            _part(group, content, names, shared, own)
        elif group in _OWN_GROUPS:
            own[group] = content
        else:
            shared[group] = content
    common = quick_canonical(shared)
    mine = quick_canonical({"device_id": facts.device_id, "facts": own, "origins": _origins(facts.provenance)})
    name = digest_of(common)
    # Written straight: canonical JSON of two digests has nothing to sort or to escape.
    both = digest_of(f'{{"own":"{digest_of(mine)}","shared":"{name}"}}'.encode())
    return Parts(shared=common, own=mine, shared_digest=name, digest=both)


def facts_digest(facts: Facts) -> Digest:
    """Return the name of all facts of a device with their provenance."""
    return split(facts).digest


def _part(
    group: str,
    content: Mapping[str, object],
    names: frozenset[str],
    shared: dict[str, object],
    own: dict[str, object],
) -> None:
    common = {name: value for name, value in content.items() if name not in names}
    mine = {name: value for name, value in content.items() if name in names}
    if common:
        shared[group] = common
    if mine or not content:
        own[group] = mine


def _origins(provenance: Mapping[str, Provenance]) -> list[list[object]]:
    """Return each distinct provenance once, with all the paths that have it, in the order of their first paths."""
    same: dict[int, tuple[Provenance, list[str]]] = {}
    for path, kept in provenance.items():
        known = same.get(id(kept))
        if known is None:
            same[id(kept)] = (kept, [path])
        else:
            known[1].append(path)
    equal: dict[tuple[object, ...], tuple[Provenance, list[str]]] = {}
    for kept, paths in same.values():
        key = (int(kept.source), kept.observed_at, kept.received_at, kept.evidence_digest, kept.complete)
        equal.setdefault(key, (kept, []))[1].extend(paths)
    return sorted(([provenance_document(kept), *sorted(paths)] for kept, paths in equal.values()), key=itemgetter(1))


def join_document(shared: bytes, own: bytes) -> dict[str, object]:
    """Return the facts file whose parts these are."""
    mine: dict[str, Any] = json.loads(own)
    facts: dict[str, Any] = json.loads(shared)
    for group, content in mine["facts"].items():
        common = facts.get(group)
        facts[group] = {**common, **content} if isinstance(common, dict) else content
    provenance = {path: kept for kept, *paths in mine["origins"] for path in paths}
    return {"device_id": mine["device_id"], "facts": facts, "provenance": provenance}


def join(shared: bytes, own: bytes, *, schema: FactSchema) -> Facts:
    """Return the facts whose parts these are; the inverse of `split`. Raises FactError for damaged parts."""
    return read_facts(join_document(shared, own), schema=schema)
