"""What facts say that a device runs, and when it is what somebody looks for."""

from __future__ import annotations

import pytest

from policyengine.model.version import VersionError
from policyengine.services.exposure.components import ComponentQuery, demand_range, sightings

FACTS = {
    "software": [
        {"name": "app", "version": "1.4.0", "digest": "aa"},
        {"name": "loader", "digest": "bb"},
        {"name": "modem", "version": "build seven"},
    ],
    "sbom": {"components": [{"name": "zlib", "version": "1.2.11", "purl": "pkg:generic/zlib@1.2.11"}]},
    "vuln": [
        {"id": "CVE-2026-1", "component": "zlib"},
        {"id": "CVE-2026-2", "component": "app", "vex": "not_affected"},
    ],
}


def seen(**query: str) -> list[tuple[str | None, bool]]:
    return [(each.component.name, each.certain) for each in sightings(FACTS, ComponentQuery(**query))]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"name": "app"}, ["app"]),
        ({"digest": "bb"}, ["loader"]),
        ({"purl": "pkg:generic/zlib@1.2.11"}, ["zlib"]),
        ({"cve": "CVE-2026-1"}, ["zlib"]),
        ({"name": "app", "digest": "bb"}, []),
        ({"name": "App"}, []),
    ],
)
def test_a_component_is_found_by_what_names_it(query: dict[str, str], found: list[str]) -> None:
    assert [name for name, _ in seen(**query)] == found


def test_a_vulnerability_that_the_supplier_rules_out_is_no_exposure() -> None:
    assert seen(cve="CVE-2026-2") == []


@pytest.mark.parametrize(
    ("versions", "found"),
    [
        ("vers:semver/>=1.0.0|<2.0.0", [("app", True)]),
        ("vers:semver/<1.4.0", []),
        ("vers:semver/1.4.0", [("app", True)]),
    ],
)
def test_a_version_range_has_its_edges(versions: str, found: list[tuple[str, bool]]) -> None:
    assert seen(name="app", versions=versions) == found


@pytest.mark.parametrize("name", ["loader", "modem"])
def test_a_version_that_cannot_be_compared_is_shown_as_uncertain(name: str) -> None:
    """What we cannot tell must not look like safety."""
    assert seen(name=name, versions="vers:semver/<1.0.0") == [(name, False)]


@pytest.mark.parametrize("versions", ["1.0", "vers:semver/", "vers:nothing/1.0", "vers:semver/>=x"])
def test_a_range_that_cannot_be_read_is_refused(versions: str) -> None:
    with pytest.raises(VersionError):
        demand_range(ComponentQuery(name="app", versions=versions))
