"""What follows for a release from all that is on file about it: the facts of each device that runs it; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from policyengine.model.canonical import canonical
from policyengine.model.ids import Digest
from policyengine.model.schema import MAX_VULNERABILITIES
from policyengine.model.times import format_timestamp
from policyengine.supply.advisories import Advisory, Affected, Match, bounded, matches, rows
from policyengine.supply.inventory import Component, Inventory
from policyengine.supply.vex import Scope, Statement


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a VEX document says, who filed it, and when."""

    statements: tuple[Statement, ...]
    by: str
    filed_at: datetime


def release_facts(inventory: Inventory, known: KnownVulnerabilities, said: Sequence[Said] = ()) -> bytes:
    """Return, as canonical JSON, what devices that run the release have as facts; read by `shelf`."""
    subject = inventory.subject
    sbom: dict[str, object] = {"present": True, "components": [_fact(each) for each in inventory.components]}
    if subject is not None and subject.version is not None:
        sbom["subject_version"] = subject.version
    document: dict[str, object] = {"sbom": sbom, "whole": inventory.whole}
    if subject is not None and subject.version is not None:
        document["subject"] = [subject.name, subject.version]
    if known.packages is not None:
        document["vuln"] = _vulnerabilities(inventory, known.packages, known, said)
    return canonical(document)


def _vulnerabilities(
    inventory: Inventory,
    packages: Mapping[str, tuple[tuple[Advisory, Affected], ...]],
    known: KnownVulnerabilities,
    said: Sequence[Said],
) -> Mapping[str, object]:
    matched = matches(inventory, packages, known.covered)
    spoken = _Spoken(inventory, said)
    found = (*matched.found, *islice(spoken.beside(matched.found), MAX_VULNERABILITIES))
    facts = rows(found, exploited=known.exploited, epss=known.scores)
    shown, all_of_them = bounded([row | spoken.of(match) for match, row in zip(found, facts, strict=True)])
    feeds = {name: {"observed_at": format_timestamp(at), "pack": pack} for name, (at, pack) in known.origins.items()}
    return {"rows": shown, "whole": matched.whole and all_of_them, "feeds": feeds}


_OPEN = frozenset({"affected", "under_investigation"})


class _Spoken:
    """What suppliers say of a release, by vulnerability."""

    def __init__(self, inventory: Inventory, said: Sequence[Said]) -> None:
        scope = Scope(inventory)
        self._components = {component.ref: component for component in inventory.components}
        self._all = [
            (document, statement, scope.of(statement)) for document in said for statement in document.statements
        ]
        newest: dict[str, dict[frozenset[str] | None, tuple[Said, Statement]]] = {}
        for document, statement, refs in sorted(self._all, key=lambda each: _moment(each[0], each[1])):
            for name in statement.names:
                newest.setdefault(name, {})[refs] = document, statement  # the later one is left
        self._newest = newest

    def of(self, match: Match) -> dict[str, str]:
        """Return what is said of a vulnerability in a component: by the newest statement, of two by the later filed."""
        about = [
            (document, statement)
            for name in match.advisory.names
            for refs, (document, statement) in self._newest.get(name, {}).items()
            if refs is None or match.component.ref in refs
        ]
        if not about:
            return {}
        document, newest = max(about, key=lambda each: _moment(*each))
        told = {"vex": newest.status, "vex_by": document.by}
        return told if newest.justification is None else told | {"justification": newest.justification}

    def beside(self, found: Sequence[Match]) -> Iterator[Match]:
        """Yield what is said to be affected, or looked into, in components named themselves, and is not `found`."""
        known: dict[str, set[str]] = {}
        for match in found:
            for name in match.advisory.names:
                known.setdefault(name, set()).add(match.component.ref)
        for _, statement, refs in self._all:
            if refs is None or statement.status not in _OPEN:
                continue
            new = refs.difference(*(known.get(name, ()) for name in statement.names))
            for name in statement.names:
                known.setdefault(name, set()).update(new)
            advisory = Advisory(names=statement.names, severity=None, cvss=None, affected=())
            yield from (Match(advisory=advisory, component=self._components[ref]) for ref in sorted(new))


def _moment(document: Said, statement: Statement) -> tuple[datetime, datetime]:
    return statement.at or document.filed_at, document.filed_at


def _fact(component: Component) -> Mapping[str, Any]:
    fact = {
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        "license": component.license,
        "digest": component.digest,
    }
    return {name: value for name, value in fact.items() if value is not None}
