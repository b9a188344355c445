"""What follows for a release from all that is on file about it: the facts of each device that runs it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policyengine.model.canonical import canonical
from policyengine.supply.inventory import Component, Inventory


def release_facts(inventory: Inventory) -> bytes:
    """Return, as canonical JSON, what devices that run the release have as facts; read by `shelf`."""
    subject = inventory.subject
    sbom: dict[str, object] = {"present": True, "components": [_fact(each) for each in inventory.components]}
    if subject is not None and subject.version is not None:
        sbom["subject_version"] = subject.version
    document: dict[str, object] = {"sbom": sbom, "whole": inventory.whole}
    if subject is not None and subject.version is not None:
        document["subject"] = [subject.name, subject.version]
    return canonical(document)


def _fact(component: Component) -> Mapping[str, Any]:
    fact = {
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        "license": component.license,
        "digest": component.digest,
    }
    return {name: value for name, value in fact.items() if value is not None}
