"""Facts in two parts: what many devices share, stored once by digest, and what only one device has.

One value of its own in a shared document (a serial, a time) would make every document distinct, so whatever names a
device or a moment goes into its own part, all provenance included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from policyengine.decision.facts_json import provenance_document, quick_canonical
from policyengine.decision.ingest import read_facts
from policyengine.model.facts import Facts, Provenance
from policyengine.model.schema import FactSchema

# Groups and facts that differ from device to device or from moment to moment.
_OWN_GROUPS = frozenset({"cert", "csr", "ops", "pcrs", "ca"})
_OWN_FACTS: Mapping[str, frozenset[str]] = {
    "device": frozenset({"id", "serial", "enrolled_at", "labels"}),
    "identity": frozenset({"key_thumbprint"}),
    "evidence": frozenset({"age", "digest"}),
    "boot": frozenset({"seed", "count", "reset_count"}),
}


def split(facts: Facts) -> tuple[bytes, bytes]:
    """Return the shared part and the device's own part, both canonical JSON."""
    shared: dict[str, object] = {}
    own: dict[str, object] = {}
    for group, content in facts.values.items():
        if group in _OWN_GROUPS:
            own[group] = content
        elif group in _OWN_FACTS and isinstance(content, Mapping):
            _part(group, content, shared, own)
        else:
            shared[group] = content
    mine = {"device_id": facts.device_id, "facts": own, "origins": _origins(facts.provenance)}
    return quick_canonical(shared), quick_canonical(mine)


def _part(group: str, content: Mapping[str, object], shared: dict[str, object], own: dict[str, object]) -> None:
    names = _OWN_FACTS[group]
    common = {name: value for name, value in content.items() if name not in names}
    mine = {name: value for name, value in content.items() if name in names}
    if common:
        shared[group] = common
    if mine or not content:
        own[group] = mine


def _origins(provenance: Mapping[str, Provenance]) -> list[object]:
    """Return each provenance once, with all the paths that have it."""
    paths: dict[int, list[str]] = {}
    for path, kept in provenance.items():
        paths.setdefault(id(kept), []).append(path)
    first = {id(kept): kept for kept in provenance.values()}
    return [[provenance_document(first[key]), *found] for key, found in paths.items()]


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
