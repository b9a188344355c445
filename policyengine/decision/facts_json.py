"""Facts as JSON, the inverse of ingest.py, and canonical JSON quickly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from policyengine.model.canonical import canonical
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.times import format_duration, format_timestamp

SOURCE_NAMES = tuple(source.name.lower() for source in Source)  # by its number: the name of a member is slow to ask for


def json_value(value: object) -> object:
    """Return fact `value` as JSON: times as RFC 3339 text, durations as `24h`, tuples as lists."""
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple | list):
        return [json_value(item) for item in value]
    if isinstance(value, Mapping):
        return {name: json_value(item) for name, item in value.items()}
    return value


def facts_document(facts: Facts) -> dict[str, object]:
    """Return the facts file (DESIGN section 11) that ingest.read_facts reads as `facts`."""
    return {
        "device_id": facts.device_id,
        "facts": json_value(facts.values),
        "provenance": provenance_documents(facts.provenance),
    }


def provenance_documents(provenance: Mapping[str, Provenance]) -> dict[str, dict[str, object]]:
    """Return all provenance entries by path; paths that share one value share its document."""
    distinct = {id(kept): kept for kept in provenance.values()}
    written = {key: provenance_document(kept) for key, kept in distinct.items()}
    return {path: written[id(kept)] for path, kept in provenance.items()}


def provenance_document(kept: Provenance) -> dict[str, object]:
    """Return one provenance entry; keys without meaning are left out."""
    document: dict[str, object] = {
        "source": SOURCE_NAMES[kept.source],
        "observed_at": format_timestamp(kept.observed_at),
    }
    if kept.received_at is not None:
        document["received_at"] = format_timestamp(kept.received_at)
    if kept.evidence_digest is not None:
        document["evidence_digest"] = kept.evidence_digest
    if kept.complete:
        document["complete"] = True
    if kept.reporter is not None:
        document["reporter"] = kept.reporter
    return document


def provenance_text(kept: Provenance) -> str:
    """Return the canonical text of `provenance_document(kept)`, written straight: nothing in it needs escaping."""
    complete = '"complete":true,' if kept.complete else ""
    evidence = "" if kept.evidence_digest is None else f'"evidence_digest":"{kept.evidence_digest}",'
    received = "" if kept.received_at is None else f',"received_at":"{format_timestamp(kept.received_at)}"'
    reporter = "" if kept.reporter is None else f',"reporter":"{kept.reporter}"'
    observed, source = format_timestamp(kept.observed_at), SOURCE_NAMES[kept.source]
    return f'{{{complete}{evidence}"observed_at":"{observed}"{received}{reporter},"source":"{source}"}}'


_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def quick_canonical(document: object) -> bytes:
    """Return the RFC 8785 bytes of `document`, whose values may be facts. Raises NotCanonicalError.

    orjson writes them, at a tenth of the time of the standard library's encoder. Its form is the canonical one for
    ASCII text (UTF-8 and UTF-16 sort that alike) without floating point numbers; what else there is takes the longer
    way.
    """
    return canonical(json_value(document)) if _has_float(document) else canonical_without_floats(document)


def canonical_without_floats(document: object) -> bytes:
    """Return the same for a document of which the caller knows that no floating point number stands in it."""
    try:
        content = orjson.dumps(document, _moment_text, _OPTIONS)
    except orjson.JSONEncodeError:
        return canonical(json_value(document))
    return content if content.isascii() else canonical(json_value(document))


def written(document: object) -> bytes | None:
    """Return a text of `document` that no other document has but in another order of keys; None if orjson writes none.

    NOTE: quicker than the canonical one and no name for it: what is not canonical (NaN) has a text here too.
    """
    try:
        return orjson.dumps(document, _moment_text, _OPTIONS & ~orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return None


def json_text(document: object) -> bytes | None:
    """Return a text of `document` as `written` does, None also where anything in it is no JSON value yet."""
    try:
        return orjson.dumps(document, None, _OPTIONS & ~orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return None


def trimmed(text: bytes) -> bytes:
    """Return a copy of `text` to keep: orjson leaves what it wrote in the room it took, up to eight times as large."""
    return bytes(memoryview(text))


def _moment_text(value: object) -> str:
    """Return a time or duration as text; whatever else orjson does not know is canonical's to judge."""
    if type(value) is datetime:
        return format_timestamp(value)
    if type(value) is timedelta:
        return format_duration(value)
    raise TypeError


def _has_float(document: object) -> bool:
    """Return whether a floating point number stands anywhere in `document`."""
    holders: list[Any] = [[document]]
    for holder in holders:  # grows while it is read: no recursion
        inside = holder.values() if type(holder) is dict else holder
        kinds = set(map(type, inside))
        if float in kinds:
            return True
        if not kinds.isdisjoint(_HOLDERS):
            holders += [inner for inner in inside if type(inner) in _HOLDERS]
    return False


_HOLDERS = frozenset({dict, list, tuple})
