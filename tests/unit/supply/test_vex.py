"""VEX documents are read as their formats have them, and a statement is about what it names and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policyengine.supply import vex
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import Component, Inventory
from policyengine.supply.vex import Scope, Statement, read_vex, statements_bytes, vex_of

CVE = "CVE-2026-0042"
BUSYBOX = Component(ref="busybox", name="busybox", version="1.37.0", purl="pkg:generic/busybox@1.37.0?arch=arm")
ZLIB = Component(ref="zlib", name="zlib", version="1.3.1", purl="pkg:generic/zlib@1.3.1")
GATEWAY = Component(ref="gw", name="gw-200", version="4.2.1", purl="pkg:generic/acme/gw-200@4.2.1")
INVENTORY = Inventory(
    format="CycloneDX 1.6",
    document="urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    subject=GATEWAY,
    components=(BUSYBOX, ZLIB),
    whole=True,
)
LINK = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#busybox"


def openvex(**members: Any) -> bytes:
    statement = {
        "vulnerability": {"name": CVE, "aliases": ["GHSA-1"]},
        "products": [{"@id": GATEWAY.purl, "subcomponents": [{"@id": BUSYBOX.ref}]}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://acme.example/vex/1",
        "author": "Acme",
        "timestamp": "2026-11-20T00:00:00Z",
        "version": 1,
        "statements": [statement | members],
    }
    return json.dumps(document).encode()


def cyclonedx(**analysis: Any) -> bytes:
    found = {"id": CVE, "analysis": {"state": "resolved"} | analysis, "affects": [{"ref": LINK}]}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:1",
        "vulnerabilities": [found],
    }
    return json.dumps(document).encode()


def test_openvex_is_read_with_its_aliases_parts_and_reason() -> None:
    statement = read_vex(openvex()).statements[0]
    assert statement.names == (CVE, "GHSA-1")
    assert (statement.status, statement.justification) == ("not_affected", "vulnerable_code_not_in_execute_path")
    assert (statement.products, statement.parts) == ((GATEWAY.purl,), ("busybox",))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("resolved", "fixed"),
        ("exploitable", "affected"),
        ("in_triage", "under_investigation"),
        ("false_positive", "not_affected"),
    ],
)
def test_states_of_cyclonedx_are_told_in_the_words_of_facts(state: str, status: str) -> None:
    """CycloneDX 1.6, vulnerabilities[].analysis.state."""
    assert read_vex(cyclonedx(state=state)).statements[0].status == status


def test_what_is_kept_of_a_document_is_read_back_the_same() -> None:
    found = read_vex(openvex())
    assert vex_of(json.loads(statements_bytes(found))) == found


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[" * 100, "vex.json"),
        (b"[]", "vex.format"),
        (b'{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "statements": []}', "vex.empty"),
        (b'{"@context": "https://openvex.dev/ns/v0.2.0", "statements": []}', "vex.shape"),
        (openvex(status="safe"), "vex.status"),
        (openvex(justification="trust us"), "vex.justification"),
        (openvex(justification=None), "vex.justification"),
        (openvex(timestamp="yesterday"), "vex.time"),
        (openvex(products={}), "vex.shape"),
        (openvex(vulnerability=CVE), "vex.shape"),
        (cyclonedx(state="safe"), "vex.status"),
        (cyclonedx(state="not_affected"), "vex.justification"),
    ],
)
def test_what_is_no_vex_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(SupplyError) as refused:
        read_vex(content)
    assert refused.value.code == code


def said(*products: str, parts: tuple[str, ...] = ()) -> Statement:
    return Statement(names=(CVE,), status="fixed", products=products, parts=parts, at=None)


def is_about_busybox(statement: Statement) -> bool:
    refs = Scope(INVENTORY).of(statement)
    return refs is None or "busybox" in refs


@pytest.mark.parametrize(
    "statement",
    [
        said("busybox"),
        said(LINK),
        said("pkg:generic/busybox@1.37.0"),
        said("pkg:generic/busybox"),
        said("gw"),
        said(GATEWAY.purl or ""),
        said("gw", parts=("busybox",)),
    ],
)
def test_a_component_is_named_by_itself_or_by_its_release(statement: Statement) -> None:
    assert is_about_busybox(statement)


@pytest.mark.parametrize(
    "statement",
    [
        said(),
        said("zlib"),
        said("gw", parts=("zlib",)),
        said("other", parts=("busybox",)),
        said("pkg:generic/busybox@1.36.0"),
        said("pkg:generic/acme/gw-200@4.2.0"),
        said("pkg:generic/busy"),
        said(LINK.replace("3e67", "3e68")),
    ],
)
def test_a_statement_of_another_product_version_or_document_says_nothing(statement: Statement) -> None:
    """Scope is what VEX is usually wrong about: nothing is taken for near enough."""
    assert not is_about_busybox(statement)


def test_statements_that_name_components_too_often_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package without version names each of its components: the product of both is what costs."""
    monkeypatch.setattr(vex, "MAX_NAMED", 3)
    scope = Scope(INVENTORY)
    scope.of(said("zlib", "busybox"))
    with pytest.raises(SupplyError) as refused:
        scope.of(said("zlib", "busybox"))
    assert refused.value.code == "vex.too-many"
