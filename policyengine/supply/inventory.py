"""What an SBOM lists, in our own words, whatever format it was written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policyengine.model.canonical import canonical
from policyengine.model.schema import MAX_COMPONENTS
from policyengine.supply.errors import SupplyError

__all__ = ["MAX_COMPONENTS", "MAX_TEXT", "Component", "Inventory", "inventory_bytes", "inventory_of"]

MAX_TEXT = 2048  # characters of a name, package URL or licence expression; the longest seen in public SBOMs are 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One listed part. `ref` names it inside its document; `digest` is SHA-256 in lowercase hex."""

    ref: str
    name: str
    version: str | None = None
    purl: str | None = None
    license: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All parts of one release. `whole` is false where the document itself says that parts are missing."""

    format: str
    document: str | None
    subject: Component | None
    components: tuple[Component, ...]
    whole: bool


def demand_distinct(components: tuple[Component, ...], places: tuple[str, ...]) -> None:
    """Raise SupplyError (`sbom.duplicate-ref`) where two parts have one name inside their document."""
    seen: set[str] = set()
    for component, place in zip(components, places, strict=True):
        if component.ref in seen:
            raise SupplyError("two parts have this name", code="sbom.duplicate-ref", path=place)
        seen.add(component.ref)


def inventory_bytes(inventory: Inventory) -> bytes:
    """Return the canonical JSON of `inventory`, which is kept."""
    return canonical(
        {
            "format": inventory.format,
            "document": inventory.document or "",
            "subject": {} if inventory.subject is None else row_of(inventory.subject),
            "components": [row_of(each) for each in inventory.components],
            "whole": inventory.whole,
        }
    )


def inventory_of(document: Mapping[str, Any]) -> Inventory:
    """Return the inventory whose parsed JSON this is; the inverse of `inventory_bytes`."""
    subject = document["subject"]
    return Inventory(
        format=document["format"],
        document=document["document"] or None,
        subject=Component(**subject) if subject else None,
        components=tuple(Component(**each) for each in document["components"]),
        whole=document["whole"],
    )


def row_of(component: Component) -> dict[str, str]:
    """Return what is known of a part, by the names of its fields."""
    named = {
        "ref": component.ref,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        "license": component.license,
        "digest": component.digest,
    }
    return {name: value for name, value in named.items() if value is not None}
