"""SBOMs written by the formats' own libraries are read whole; what is no SBOM is refused with its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component as Listed
from cyclonedx.model.component import ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    Package,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.writer.json.json_writer import write_document_to_file

from policyengine.supply import sbom
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import MAX_COMPONENTS, MAX_TEXT, Component, inventory_bytes, inventory_of
from policyengine.supply.sbom import read_sbom

SHA = "ab" * 32
OPENSSL = Component(
    ref="openssl",
    name="openssl",
    version="3.5.4",
    purl="pkg:deb/debian/openssl@3.5.4?distro=debian-12",
    license="Apache-2.0",
    digest=SHA,
)


def cyclonedx(version: SchemaVersion = SchemaVersion.V1_6) -> bytes:
    """Return an SBOM as cyclonedx-python-lib writes it: a firmware, a library in it, and one in that."""
    bom = Bom()
    bom.metadata.component = Listed(name="gw-200", version="4.2.1", type=ComponentType.FIRMWARE, bom_ref="root")
    inner = Listed(name="zlib", version="1.3.1", bom_ref="zlib", licenses=[DisjunctiveLicense(name="zlib and libpng")])
    purl = PackageURL("deb", "debian", "openssl", "3.5.4", {"distro": "debian-12"})
    outer = Listed(
        name="openssl",
        version="3.5.4",
        purl=purl,
        bom_ref="openssl",
        licenses=[LicenseExpression("Apache-2.0")],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=SHA.upper())],
        components=[inner],
    )
    bom.components.add(outer)
    bom.register_dependency(bom.metadata.component, [outer])
    bom.register_dependency(outer, [inner])
    return make_outputter(bom, OutputFormat.JSON, version).output_as_string().encode()


def spdx(folder: Path) -> bytes:
    """Return an SBOM as spdx-tools writes it: a firmware and a library in it."""
    purl = ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", OPENSSL.purl or "")
    nowhere = SpdxNoAssertion()
    packages = [
        Package("SPDXRef-gw", "gw-200", nowhere, version="4.2.1"),
        Package(
            "SPDXRef-openssl",
            "openssl",
            nowhere,
            version="3.5.4",
            checksums=[Checksum(ChecksumAlgorithm.SHA256, SHA)],
            external_references=[purl],
        ),
    ]
    info = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id="SPDXRef-DOCUMENT",
        name="gw-200",
        document_namespace="https://acme.example/gw-200-4.2.1",
        creators=[Actor(ActorType.TOOL, "acme-build")],
        created=datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None),
    )
    described = Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, "SPDXRef-gw")
    write_document_to_file(
        Document(info, packages=packages, relationships=[described]), str(folder / "sbom.json"), validate=True
    )
    return (folder / "sbom.json").read_bytes()


def refusal(content: bytes) -> SupplyError:
    with pytest.raises(SupplyError) as refused:
        read_sbom(content)
    return refused.value


def small(**members: object) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", **members}).encode()


def listing(*components: object) -> bytes:
    return small(components=components)


@pytest.mark.parametrize("version", [SchemaVersion.V1_4, SchemaVersion.V1_5, SchemaVersion.V1_6])
def test_cyclonedx_of_its_own_library_is_read_with_parts_of_parts(version: SchemaVersion) -> None:
    found = read_sbom(cyclonedx(version))
    assert found.components[0] == OPENSSL
    assert [each.name for each in found.components] == ["openssl", "zlib"]
    assert found.components[1].license == "LicenseRef-zlib-and-libpng"
    assert found.subject is not None
    assert (found.subject.name, found.subject.version, found.whole) == ("gw-200", "4.2.1", True)


def test_spdx_of_its_own_library_is_read_without_the_package_it_describes(tmp_path: Path) -> None:
    found = read_sbom(spdx(tmp_path))
    assert found.subject is not None
    assert (found.subject.version, found.format) == ("4.2.1", "SPDX 2.3")
    assert [(each.name, each.purl, each.digest) for each in found.components] == [("openssl", OPENSSL.purl, SHA)]


def test_what_is_kept_of_an_sbom_is_read_back_the_same() -> None:
    found = read_sbom(cyclonedx())
    assert inventory_of(json.loads(inventory_bytes(found))) == found


@pytest.mark.parametrize("aggregate", ["incomplete", "unknown", "not_specified"])
def test_an_sbom_that_says_to_miss_parts_is_not_whole(aggregate: str) -> None:
    assert not read_sbom(small(compositions=[{"aggregate": aggregate}])).whole


def test_a_cycle_of_dependencies_changes_nothing() -> None:
    cycle = [{"ref": "a", "dependsOn": ["b"]}, {"ref": "b", "dependsOn": ["a"]}]
    parts = [{"type": "library", "name": name, "bom-ref": name} for name in ("a", "b")]
    assert [each.name for each in read_sbom(small(components=parts, dependencies=cycle)).components] == ["a", "b"]


PART = {"type": "library", "name": "a"}


@pytest.mark.parametrize(
    ("content", "code", "path"),
    [
        (b"[" * 100, "sbom.json", ""),
        (b'{"bomFormat": "CycloneDX", "bomFormat": "CycloneDX"}', "sbom.json", ""),
        (b"PK\x03\x04", "sbom.json", ""),
        (b"{}", "sbom.format", ""),
        (b"[]", "sbom.format", ""),
        (small(specVersion="1.3"), "sbom.version", "$.specVersion"),
        (b'{"spdxVersion": "SPDX-3.0"}', "sbom.version", "$.spdxVersion"),
        (small(components={}), "sbom.shape", "$.components"),
        (small(metadata=[]), "sbom.shape", "$.metadata"),
        (listing(5), "sbom.shape", "$.components[0]"),
        (listing({"type": "library"}), "sbom.shape", "$.components[0].name"),
        (listing({"name": "a"}), "sbom.shape", "$.components[0].type"),
        (listing(PART | {"name": 5}), "sbom.shape", "$.components[0].name"),
        (listing(PART | {"name": "a\x1b[2J"}), "sbom.shape", "$.components[0].name"),
        (listing(PART | {"name": "a" * (MAX_TEXT + 1)}), "sbom.too-long", "$.components[0].name"),
        (listing(PART | {"type": "nonsense"}), "sbom.component", "$.components[0]"),
        (listing(PART | {"purl": "openssl"}), "sbom.component", "$.components[0]"),
        (listing(PART | {"hashes": [{"alg": 5}]}), "sbom.component", "$.components[0]"),
        (listing(PART | {"hashes": [{"alg": "SHA-256", "content": 5}]}), "sbom.digest", "$.components[0]"),
        (listing(PART | {"components": [PART, 5]}), "sbom.shape", "$.components[0].components[1]"),
        (listing(PART | {"bom-ref": "x"}, PART | {"bom-ref": "x"}), "sbom.duplicate-ref", "$.components[1]"),
    ],
)
def test_what_is_no_sbom_is_refused_with_its_place(content: bytes, code: str, path: str) -> None:
    found = refusal(content)
    assert (found.code, found.path) == (code, path)


def test_more_components_than_facts_can_hold_are_refused_before_any_is_read() -> None:
    """One component of a wrong type stands first: what is counted is not read."""
    assert refusal(listing(*[5] * (MAX_COMPONENTS + 1))).code == "sbom.too-many"


def test_components_inside_others_count_as_well() -> None:
    half = [PART | {"bom-ref": str(at)} for at in range(8)]
    deep = PART | {"components": half}
    assert len(read_sbom(listing(deep, PART | {"bom-ref": "last"})).components) == 10


def test_an_sbom_beyond_the_limit_is_refused_by_its_size_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sbom, "MAX_SBOM_BYTES", 64)
    assert refusal(b" " * 65).code == "sbom.json"


def test_spdx_with_a_name_that_is_a_number_is_refused(tmp_path: Path) -> None:
    document = json.loads(spdx(tmp_path))
    document["packages"][1]["name"] = 5
    assert refusal(json.dumps(document).encode()).code == "sbom.component"


def test_files_of_an_spdx_document_are_left_aside(tmp_path: Path) -> None:
    document = json.loads(spdx(tmp_path))
    document["files"] = [{"nonsense": 5}] * 10
    assert len(read_sbom(json.dumps(document).encode()).components) == 1
