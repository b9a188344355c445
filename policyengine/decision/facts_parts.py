"""Facts in two parts: what many devices share, stored once by digest, and what only one device has.

One value of its own in a shared document (a serial, a time) would make every document distinct, so whatever names a
device or a moment goes into its own part, all provenance included. The parts are what is stored, and what names the
facts: the digest of all facts is that of their two digests, so that nothing is written and hashed a second time whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from policyengine.decision.facts_json import (
    canonical_without_floats,
    provenance_text,
    quick_canonical,
    trimmed,
    written,
)
from policyengine.decision.ingest import facts_of, read_groups
from policyengine.decision.kept import Kept
from policyengine.decision.origins import Origins, origins_of
from policyengine.model.facts import Facts
from policyengine.model.ids import Digest, digest_of
from policyengine.model.schema import FactSchema

KEPT_SHARED = 1024  # shared parts kept, some kilobytes each; devices of one release have a few among them
KEPT_NAMED_BYTES = 32 * 1024 * 1024  # of their texts, as they come and canonical: one from a hostile device has 512 KiB
KEPT_READ_BYTES = 2 * 1024 * 1024  # of those kept read: what is read of a text takes up to 25 times as much
KEPT_LAYOUTS = 1024  # distinct ways in which paths share provenance; devices of one kind have one or two

# Groups and facts that differ from device to device or from moment to moment; none of them is a floating point number.
_OWN_GROUPS = frozenset({"cert", "csr", "ops", "pcrs", "ca"})
_OWN_FACTS: Mapping[str, frozenset[str]] = {
    "device": frozenset({"id", "serial", "enrolled_at", "labels"}),
    "identity": frozenset({"key_thumbprint"}),
    "evidence": frozenset({"age", "digest"}),
    "boot": frozenset({"seed", "count", "reset_count"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The two parts of facts as canonical JSON, the name of the shared one, and the name of both together.

    `origins` is how the facts share their provenance, in the order in which they were gathered.
    """

    shared: bytes
    own: bytes
    shared_digest: Digest
    digest: Digest
    origins: Origins = field(compare=False)


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
    common, name, origins = *_named(shared), origins_of(facts.provenance)
    # Written straight, as below: a device id and digests have nothing to escape, and the names are in their order.
    before = f'{{"device_id":"{facts.device_id}","facts":'.encode()
    mine = b'%b%b,"origins":%b}' % (before, canonical_without_floats(own), _written_origins(origins).encode())
    both = digest_of(f'{{"own":"{digest_of(mine)}","shared":"{name}"}}'.encode())
    return Parts(shared=common, own=mine, shared_digest=name, digest=both, origins=origins)


def _named(shared: dict[str, object]) -> tuple[bytes, Digest]:
    """Return a shared part as canonical JSON and its name; most have been written for another device before."""
    text = written(shared)
    known = None if text is None else _NAMED.get(text)
    if known is None:
        body = trimmed(quick_canonical(shared))
        known = (body, digest_of(body))
        if text is not None:
            _NAMED.keep(trimmed(text), known, len(text) + len(body))
    return known


# By their text as it comes: to put names in order and look for fractions takes longer than to write them.
_NAMED = Kept[bytes, tuple[bytes, Digest]](entries=KEPT_SHARED, size=KEPT_NAMED_BYTES)


def is_shared(path: str) -> bool:
    """Return whether what stands at `path`, and all below it, is of the shared part whatever the facts are."""
    group, _, rest = path.partition(".")
    names = _OWN_FACTS.get(group)
    if names is None:
        return group not in _OWN_GROUPS
    return rest != "" and rest.partition(".")[0] not in names


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
    common = dict(content)
    mine = {name: common.pop(name) for name in names if name in common}
    if common:
        shared[group] = common
    if mine or not content:
        own[group] = mine


def _written_origins(origins: Origins) -> str:
    """Return, as canonical JSON, each distinct provenance with all the paths that have it, by their first paths."""
    texts, marks = list(map(provenance_text, origins.distinct)), origins.marks
    numbers = {text: number for number, text in reversed([*enumerate(texts)])}
    if len(numbers) < len(texts):  # some are equal, and one for the reader of what is written
        marks = tuple([numbers[texts[mark]] for mark in marks])
    rows = _paths_by_mark(origins.paths, marks)
    return f"[{','.join([f'[{texts[mark]},{paths}' for mark, paths in rows])}]"


@lru_cache(maxsize=KEPT_LAYOUTS)
def _paths_by_mark(paths: tuple[str, ...], marks: tuple[int, ...]) -> tuple[tuple[int, str], ...]:
    """Return each mark with the rest of a JSON list that names the paths which have it."""
    found: dict[int, list[str]] = {}
    for path, mark in sorted(zip(paths, marks, strict=True)):
        found.setdefault(mark, []).append(path)
    return tuple((mark, quick_canonical(named).decode()[1:]) for mark, named in found.items())


def join_document(shared: bytes, own: bytes) -> dict[str, object]:
    """Return the facts file whose parts these are."""
    mine: dict[str, Any] = json.loads(own)
    facts: dict[str, Any] = json.loads(shared)
    for group, content in mine["facts"].items():
        common = facts.get(group)
        facts[group] = {**common, **content} if isinstance(common, dict) else content
    provenance = {path: kept for kept, *paths in mine["origins"] for path in paths}
    return {"device_id": mine["device_id"], "facts": facts, "provenance": provenance}


class SharedFacts:
    """Joins parts of facts of one schema; a shared part is read when the first of its devices is."""

    def __init__(self, schema: FactSchema) -> None:
        self._schema = schema
        self._known = Kept[bytes, Mapping[str, object]](entries=KEPT_SHARED, size=KEPT_READ_BYTES)

    def join(self, shared: bytes, own: bytes) -> Facts:
        """Return the facts whose parts these are; the inverse of `split`. Raises FactError for damaged parts."""
        mine: dict[str, Any] = orjson.loads(own)  # canonical, so that both readers read the same of it
        values = dict(self._groups(shared))
        for group, content in read_groups(mine["facts"], schema=self._schema).items():
            common = values.get(group)
            if isinstance(common, dict) and isinstance(content, dict):
                values[group] = common | content
            else:
                values[group] = content
        provenance = {path: kept for kept, *paths in mine["origins"] for path in paths}
        return facts_of(mine["device_id"], values, provenance, schema=self._schema)

    def _groups(self, shared: bytes) -> Mapping[str, object]:
        known = self._known.get(shared)
        if known is None:
            known = read_groups(json.loads(shared), schema=self._schema)
            self._known.keep(shared, known, len(shared))
        return known
