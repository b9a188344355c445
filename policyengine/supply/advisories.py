"""Known vulnerabilities of packages, in our own words, and which of them an inventory has; pure.

Whether a version is affected has three answers. What cannot be decided is no finding, and the list is then not whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policyengine.model.schema import MAX_VULNERABILITIES
from policyengine.model.version import Key, VersionError, key_function
from policyengine.supply.inventory import Component, Inventory

FROM_THE_START = "0"  # OSV: before every version


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Versions from `introduced` up to, not including, `fixed`, or up to and including `last`; no end: all later."""

    introduced: str
    fixed: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Which versions of a package are affected: listed ones, and ranges under a scheme of model/version.

    `distro` is the release of a distribution that it is about. `scheme` None: ranges there cannot be read here.
    """

    package: str
    versions: frozenset[str]
    ranges: tuple[Range, ...]
    scheme: str | None
    distro: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One vulnerability. `names` are all its ids, the one that it is shown by first; `cvss` is a base score."""

    names: tuple[str, ...]
    severity: str | None
    cvss: float | None
    affected: tuple[Affected, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A vulnerability in a component, by its place in the inventory's document."""

    advisory: Advisory
    component: Component


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What was found; not `whole` where a component could not be looked up, or its version not compared."""

    found: tuple[Match, ...]
    whole: bool


def by_package(advisories: Iterable[Advisory]) -> Mapping[str, tuple[tuple[Advisory, Affected], ...]]:
    """Return what is known of each package."""
    index: dict[str, list[tuple[Advisory, Affected]]] = {}
    for advisory in advisories:
        for affected in advisory.affected:
            index.setdefault(affected.package, []).append((advisory, affected))
    return {package: tuple(known) for package, known in index.items()}


def matches(
    inventory: Inventory, index: Mapping[str, tuple[tuple[Advisory, Affected], ...]], covered: frozenset[str]
) -> Matches:
    """Return the vulnerabilities of the components of `inventory`; of ecosystems not `covered` there may be more."""
    found: dict[tuple[str, str], Match] = {}
    whole = inventory.whole
    for component in inventory.components:
        if component.purl is None or component.version is None:
            whole = False
            continue
        whole = whole and ecosystem_of(component.purl) in covered
        for advisory, affected in index.get(_package(component.purl), ()):
            decided = _is_affected(component.version, component.purl, affected)
            if decided is None:
                whole = False
            elif decided:
                found[(advisory.names[0], component.ref)] = Match(advisory=advisory, component=component)
    worst_first = sorted(found.values(), key=lambda match: (-(match.advisory.cvss or 0), match.advisory.names[0]))
    return Matches(found=tuple(worst_first), whole=whole)


def rows(
    found: Iterable[Match], *, exploited: frozenset[str] | None, epss: Mapping[str, float] | None
) -> Iterator[dict[str, Any]]:
    """Yield the fact of each match; `exploited` and `epss` None: there is no such feed, and nothing is said."""
    for match in found:
        advisory = match.advisory
        row: dict[str, Any] = {"id": advisory.names[0], "component": match.component.name, "vex": "affected"}
        if advisory.severity is not None:
            row["severity"] = advisory.severity
        if advisory.cvss is not None:
            row["cvss"] = advisory.cvss
        if exploited is not None:
            row["kev"] = not exploited.isdisjoint(advisory.names)
        scores = [epss[name] for name in advisory.names if name in epss] if epss is not None else []
        if scores:
            row["epss"] = max(scores)
        yield row


def bounded(facts: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """Return what facts can hold of `facts`, exploited ones first, and whether that is all."""
    ordered = sorted(facts, key=lambda row: not row.get("kev", False))
    return ordered[:MAX_VULNERABILITIES], len(ordered) <= MAX_VULNERABILITIES


def ecosystem_of(purl: str) -> str:
    """Return whose package it is: the type of its package URL, of a distribution's with the distribution's name."""
    kind, _, rest = purl.removeprefix("pkg:").partition("/")
    return f"{kind}/{rest.partition('/')[0]}" if kind in _DISTRIBUTED and "/" in rest else kind


_DISTRIBUTED = frozenset({"deb", "rpm", "apk"})


def _package(purl: str) -> str:
    return purl.partition("#")[0].partition("?")[0].partition("@")[0]


def _is_affected(version: str, purl: str, affected: Affected) -> bool | None:
    if affected.distro is not None and _distro(purl) not in {None, affected.distro}:
        return False
    if version in affected.versions:
        return True
    if not affected.ranges:
        return False
    if affected.scheme is None:
        return False if affected.versions else None
    try:
        key = _KEYS[affected.scheme]
        seen = key(version)
        return any(_is_inside(seen, each, key) for each in affected.ranges)
    except VersionError:
        return None


_KEYS: Mapping[str, Callable[[str], Key]] = {name: key_function(name) for name in ("semver", "deb", "rpm", "dotted")}


def _is_inside(seen: Key, limits: Range, key: Callable[[str], Key]) -> bool:
    if limits.introduced != FROM_THE_START and seen < key(limits.introduced):
        return False
    if limits.fixed is not None:
        return seen < key(limits.fixed)
    return limits.last is None or seen <= key(limits.last)


def _distro(purl: str) -> str | None:
    """Return the release of the distribution that a package URL names: `12` of `distro=debian-12`."""
    qualifiers = purl.partition("#")[0].partition("?")[2].split("&")
    named = [each.partition("=")[2] for each in qualifiers if each.startswith("distro=")]
    return named[0].rpartition("-")[2] if named else None
