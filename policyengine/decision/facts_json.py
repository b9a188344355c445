"""Facts as JSON and their digest; the inverse of ingest.py."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from policyengine.model.canonical import canonical
from policyengine.model.facts import Facts, Provenance
from policyengine.model.ids import Digest, digest_of
from policyengine.model.times import format_duration, format_timestamp

_BARE_FLOAT = re.compile(r"(?:^|\":|[,\[])-?\d+(?:\.\d|[eE])")  # never inside a time: no quote precedes its colons


def json_value(value: object) -> object:
    """Return fact `value` as JSON: times as RFC 3339 text, durations as `24h`, tuples as lists."""
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return [json_value(item) for item in value]
    if isinstance(value, Mapping):
        return {name: json_value(item) for name, item in value.items()}
    return value


def facts_document(facts: Facts) -> dict[str, object]:
    """Return the facts file (DESIGN section 11) that ingest.read_facts reads as `facts`."""
    return {
        "device_id": facts.device_id,
        "facts": json_value(facts.values),
        "provenance": {path: provenance_document(kept) for path, kept in facts.provenance.items()},
    }


def provenance_document(kept: Provenance) -> dict[str, object]:
    """Return one provenance entry; keys without meaning are left out."""
    document: dict[str, object] = {
        "source": kept.source.name.lower(),
        "observed_at": format_timestamp(kept.observed_at),
    }
    if kept.received_at is not None:
        document["received_at"] = format_timestamp(kept.received_at)
    if kept.evidence_digest is not None:
        document["evidence_digest"] = kept.evidence_digest
    if kept.complete:
        document["complete"] = True
    return document


def facts_bytes(facts: Facts) -> bytes:
    """Return the canonical bytes (RFC 8785) of facts_document(facts)."""
    document = {
        "device_id": facts.device_id,
        "facts": facts.values,
        "provenance": {path: provenance_document(kept) for path, kept in facts.provenance.items()},
    }
    return quick_canonical(document)


_encoded = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=json_value
).encode


def quick_canonical(document: object) -> bytes:
    """Return the RFC 8785 bytes of `document`, whose values may be facts.

    The C encoder writes them where its form is the canonical one: sorted ASCII keys and no floating point number.
    """
    text = _encoded(document)
    if text.isascii() and not _BARE_FLOAT.search(text):
        return text.encode("ascii")
    return canonical(json_value(document))


def facts_digest(facts: Facts) -> Digest:
    """Return the SHA-256 name of all facts of a device with their provenance."""
    return digest_of(facts_bytes(facts))
