"""What devices run, as their facts tell it, and whether it is what somebody looks for; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policyengine.model.version import VersionError, key_function, read_range, within


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentQuery:
    """What to look for: all that is given must hold. `versions` is a range such as `vers:semver/>=1.0.0|<2.0.0`."""

    name: str | None = None
    purl: str | None = None
    digest: str | None = None
    cve: str | None = None
    versions: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Something a device runs, or for `cve` a vulnerability of it. `group` is where the facts have it.

    `vex` is what is said of a vulnerability, `vex_by` whose statement that is; None: the advisory's own.
    """

    group: str
    name: str | None = None
    version: str | None = None
    purl: str | None = None
    digest: str | None = None
    cve: str | None = None
    vex: str | None = None
    vex_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A component that is looked for; not `certain` where its version is missing or cannot be compared."""

    component: Component
    certain: bool


def components_of(facts: Mapping[str, Any]) -> Iterator[Component]:
    """Yield what nested facts say that a device runs: measured software, components of its SBOM, vulnerabilities."""
    for item in facts.get("software", ()):
        yield Component(group="software", **_taken(item, "name", "version", "digest"))
    for item in facts.get("sbom", {}).get("components", ()):
        yield Component(group="sbom.components", **_taken(item, "name", "version", "purl", "digest"))
    for item in facts.get("vuln", ()):
        if item.get("vex") not in {"not_affected", "fixed"}:
            said = _taken(item, "vex", "vex_by")
            yield Component(group="vuln", name=item.get("component"), cve=item.get("id"), **said)


def _taken(item: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: item[name] for name in names if name in item}


def sightings(facts: Mapping[str, Any], query: ComponentQuery) -> tuple[Sighting, ...]:
    """Return what of `facts` is looked for; the range of `query` can be read."""
    wanted = {"name": query.name, "purl": query.purl, "digest": query.digest, "cve": query.cve}
    named = {key: value for key, value in wanted.items() if value is not None}
    found = []
    for component in components_of(facts):
        if all(_is(component, key, value) for key, value in named.items()):
            inside = _is_inside(component.version, query.versions)
            if inside is not False:
                found.append(Sighting(component=component, certain=inside is True))
    return tuple(found)


def _is(component: Component, key: str, value: str) -> bool:
    """Tell whether a component has `value`; a package URL without a version is any version of that package."""
    own = getattr(component, key)
    if key != "purl" or own is None or "@" in value:
        return bool(own == value)
    return _package(own) == value


def _package(purl: str) -> str:
    return purl.partition("#")[0].partition("?")[0].partition("@")[0]


def demand_range(query: ComponentQuery) -> None:
    """Raise VersionError unless the range of `query` can be read."""
    if query.versions is not None:
        read_range(query.versions, key_function(_scheme(query.versions)))


def _scheme(versions: str) -> str:
    return versions.partition("/")[0].removeprefix("vers:")


def _is_inside(version: str | None, versions: str | None) -> bool | None:
    """Return whether a version is in a range; None when that cannot be said, which never counts as outside."""
    if versions is None:
        return True
    if version is None:
        return None
    try:
        return within(version, versions, key_function(_scheme(versions)))
    except VersionError:
        return None
