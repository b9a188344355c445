"""The order in which keys are written: that of the kind's JSON Schema, where the schema names them.

Mappings with names that an author chose (params, lets, models, test devices, expectations) keep their order: it may
mean something to readers, and a `let` may only use those before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policyengine.language.formatting.written import Collection, Slot

_QUOTES = "\"'"


def put_in_order(slot: Slot, schema: Mapping[str, Any]) -> None:
    """Sort the keys of the value in `slot`, and of all values below it, as `schema` lists them."""
    if not isinstance(slot.value, Collection):
        return
    if not slot.value.is_mapping:
        for item in slot.value.slots:
            put_in_order(item, _sub(schema, "items"))
        return
    known = _sub(schema, "properties")
    ranks = {name: rank for rank, name in enumerate(known)}
    for entry in slot.value.slots:
        name = entry.key.strip(_QUOTES)
        put_in_order(entry, known.get(name) or _sub(schema, "additionalProperties"))
    if not _sub(schema, "additionalProperties"):
        slot.value.slots.sort(key=lambda entry: ranks.get(entry.key.strip(_QUOTES), len(ranks)))


def _sub(schema: Mapping[str, Any], keyword: str) -> Mapping[str, Any]:
    found = schema.get(keyword)
    return found if isinstance(found, Mapping) else {}
