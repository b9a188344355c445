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

_SMALL = re.compile(r"e-\d\d")  # how Python ends a float below 0.0001; begins with literal text, so it is found fast
_WHOLE = (".0,", ".0}", ".0]", "e+")  # how it ends a whole or a very large float outside of a string


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
        "provenance": provenance_documents(facts.provenance),
    }
    return quick_canonical(document)


_encoded = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=json_value
).encode


def quick_canonical(document: object) -> bytes:
    """Return the RFC 8785 bytes of `document`, whose values may be facts.

    The C encoder writes them where its form is the canonical one: sorted ASCII keys, and no floating point number that
    Python and ECMAScript write differently. Text that looks like one only takes the longer way.
    """
    text = _encoded(document)
    if text.isascii() and not _has_odd_float(text):
        return text.encode("ascii")
    return canonical(json_value(document))


def _has_odd_float(text: str) -> bool:
    return text.endswith(".0") or any(mark in text for mark in _WHOLE) or _SMALL.search(text) is not None


def facts_digest(facts: Facts) -> Digest:
    """Return the SHA-256 name of all facts of a device with their provenance."""
    return digest_of(facts_bytes(facts))
