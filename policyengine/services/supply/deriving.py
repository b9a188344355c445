"""What follows for a release from all that is on file about it: the facts of each device that runs it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from policyengine.model.canonical import canonical
from policyengine.model.ids import Digest
from policyengine.model.times import format_timestamp
from policyengine.supply.advisories import Advisory, Affected, bounded, matches, rows
from policyengine.supply.inventory import Component, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVulnerabilities:
    """The feeds in use: advisories by package, ids known to be exploited, probabilities; None: there is no such feed.

    `origins` says of each feed when its source was like that, and the digest of the pack it came in.
    """

    packages: Mapping[str, tuple[tuple[Advisory, Affected], ...]] | None = None
    covered: frozenset[str] = frozenset()
    exploited: frozenset[str] | None = None
    scores: Mapping[str, float] | None = None
    origins: Mapping[str, tuple[datetime, Digest]] = field(default_factory=dict)


def release_facts(inventory: Inventory, known: KnownVulnerabilities) -> bytes:
    """Return, as canonical JSON, what devices that run the release have as facts; read by `shelf`."""
    subject = inventory.subject
    sbom: dict[str, object] = {"present": True, "components": [_fact(each) for each in inventory.components]}
    if subject is not None and subject.version is not None:
        sbom["subject_version"] = subject.version
    document: dict[str, object] = {"sbom": sbom, "whole": inventory.whole}
    if subject is not None and subject.version is not None:
        document["subject"] = [subject.name, subject.version]
    if known.packages is not None:
        document["vuln"] = _vulnerabilities(inventory, known.packages, known)
    return canonical(document)


def _vulnerabilities(
    inventory: Inventory, packages: Mapping[str, tuple[tuple[Advisory, Affected], ...]], known: KnownVulnerabilities
) -> Mapping[str, object]:
    matched = matches(inventory, packages, known.covered)
    shown, all_of_them = bounded(list(rows(matched.found, exploited=known.exploited, epss=known.scores)))
    feeds = {name: {"observed_at": format_timestamp(at), "pack": pack} for name, (at, pack) in known.origins.items()}
    return {"rows": shown, "whole": matched.whole and all_of_them, "feeds": feeds}


def _fact(component: Component) -> Mapping[str, Any]:
    fact = {
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        "license": component.license,
        "digest": component.digest,
    }
    return {name: value for name, value in fact.items() if value is not None}
