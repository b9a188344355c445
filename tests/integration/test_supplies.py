"""What is filed of a release becomes facts of the devices that run it, over real databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policyengine.decision.ingest import FactError
from policyengine.model.ids import DeviceId, PartyName
from policyengine.model.times import format_timestamp
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError, MissingError
from policyengine.services.exposure.components import ComponentQuery
from policyengine.services.fleet_scope import WHOLE_FLEET
from policyengine.services.ports import PageRequest
from policyengine.services.supply.feeds import stale_feeds
from policyengine.services.supply.reports import Seen
from policyengine.services.supply.terms import FeedTerms
from policyengine.simulation import device as simulated
from policyengine.simulation.device import SimulatedDevice
from policyengine.supply.pack import pack_content, signed_pack
from policyengine.supply.sources import osv_feed
from tests.support.site import Site, next_nonce, ready_site, request

PURL = "pkg:generic/busybox@1.37.0"
KEY = Ed25519PrivateKey.from_private_bytes(b"f" * 32)
CVE = "CVE-2026-0042"


@pytest.fixture(scope="module")
def site(module_database: str) -> Iterator[Site]:
    made = ready_site(module_database, feeds=FeedTerms(publishers={"security-team": KEY.public_key()}))
    for scenario in ("healthy", "tampered"):
        asyncio.run(made.enrol(made.of(scenario)[0]))
    made.clock.forward(timedelta(minutes=1))
    yield made
    made.store.close()


def sbom(version: str, *names: str) -> bytes:
    parts = [
        {"type": "library", "name": name, "version": "1.37.0", "purl": f"pkg:generic/{name}@1.37.0", "bom-ref": name}
        for name in names
    ]
    subject = {"component": {"type": "firmware", "name": "gw", "version": version}}
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": subject, "components": parts}
    ).encode()


def release_of(device: SimulatedDevice) -> str:
    return device.planned.release.version


def facts_of(site: Site, device: SimulatedDevice) -> Mapping[str, Any]:
    return site.services.devices.facts(SYSTEM, device.planned.device_id)


def file(site: Site, device: SimulatedDevice, *names: str, actor: Principal = SYSTEM) -> None:
    release = release_of(device)
    site.services.sboms.file(actor, device.planned.model, release, sbom(release, *names))


def decide_again(site: Site) -> None:
    """Let the sweep do what filing asked for."""
    site.services.sweep.run()


def test_a_silent_device_is_decided_again_on_the_sbom_of_its_release(site: Site) -> None:
    device = site.of("healthy")[0]
    file(site, device, "busybox")
    decide_again(site)
    found = facts_of(site, device)
    assert found["facts"]["sbom"]["present"] is True
    assert [each["purl"] for each in found["facts"]["sbom"]["components"]] == [PURL]
    assert found["provenance"]["sbom"]["source"] == "declared"


def test_a_check_in_has_the_sbom_filed_last_and_names_its_document(site: Site) -> None:
    device = site.of("healthy")[1]
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    file(site, device, "busybox", "zlib")
    asyncio.run(site.check_in(device, nonce))
    filed, content = site.services.sboms.original(SYSTEM, device.planned.model, release_of(device))
    found = facts_of(site, device)
    assert [each["name"] for each in found["facts"]["sbom"]["components"]] == ["busybox", "zlib"]
    assert found["provenance"]["sbom"]["evidence_digest"] == filed.original
    assert content == sbom(release_of(device), "busybox", "zlib")


def test_exposure_answers_by_any_version_of_a_package(site: Site) -> None:
    """Issue 6 item 3: which devices run component X."""
    device = site.of("healthy")[0]
    file(site, device, "busybox")
    decide_again(site)
    query = ComponentQuery(purl="pkg:generic/busybox", versions="vers:dotted/<1.38")
    found = site.services.exposure.find(SYSTEM, query, WHOLE_FLEET, PageRequest()).items
    assert device.planned.device_id in {each[0].device.id for each in found}
    assert {sighting.source for each in found for sighting in each} == {"declared"}


def test_a_device_whose_software_is_no_release_has_no_sbom(site: Site) -> None:
    """What it runs is not known, so its rules are unknown, not failed."""
    device = site.of("tampered")[0]
    file(site, site.of("healthy")[0], "busybox")
    site.services.sboms.file(SYSTEM, device.planned.model, release_of(device), sbom(release_of(device), "zlib"))
    decide_again(site)
    assert "sbom" not in facts_of(site, device)["facts"]


def test_what_a_device_reports_of_itself_does_not_hide_what_is_filed(site: Site) -> None:
    device = site.of("healthy")[2]
    file(site, device, "busybox")
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    site.clock.forward(timedelta(minutes=1))
    said = {**simulated.check_in(device, nonce), "reported": {"sbom": {"components": []}}}
    asyncio.run(site.services.checkins.check_in(request(said)))
    assert [each["name"] for each in facts_of(site, device)["facts"]["sbom"]["components"]] == ["busybox"]


def test_filing_is_an_act_in_the_log_that_names_its_author(site: Site) -> None:
    device = site.of("healthy")[0]
    party = PartyName(site.store.view(device.planned.device_id).device.vendor)
    models = frozenset({device.planned.model})
    actor = Principal(name="acme-ci", role=PersonRole.VENDOR, party=party, models=models)
    file(site, device, "busybox", actor=actor)
    newest = site.services.audit.events(SYSTEM, PageRequest(limit=1)).items[0]
    assert (newest.actor, newest.action, newest.subject) == (
        "acme-ci",
        "sbom.file",
        f"{device.planned.model}/{release_of(device)}",
    )


def test_a_model_of_another_vendor_answers_like_one_that_is_not_there(site: Site) -> None:
    model = site.of("healthy")[0].planned.model
    stranger = Principal(name="x", role=PersonRole.VENDOR, models=frozenset({"other"}))
    for name in (model, "gw-999"):
        with pytest.raises(MissingError, match="there is no such model"):
            site.services.sboms.file(stranger, name, "4.2.1", sbom("4.2.1"))


def test_another_party_with_sight_of_the_model_files_nothing(site: Site) -> None:
    model = site.of("healthy")[0].planned.model
    other = Principal(name="x", role=PersonRole.VENDOR, party=PartyName("vendor-x"), models=frozenset({model}))
    with pytest.raises(ForbiddenError):
        site.services.sboms.file(other, model, "4.2.1", sbom("4.2.1"))


def test_an_auditor_files_nothing(site: Site) -> None:
    auditor = Principal(name="Ada", role=PersonRole.AUDITOR)
    with pytest.raises(ForbiddenError):
        site.services.sboms.file(auditor, "gw-200", "4.2.1", sbom("4.2.1"))


def test_an_sbom_of_another_version_is_refused(site: Site) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        site.services.sboms.file(SYSTEM, "gw-200", "4.2.1", sbom("4.2.0"))
    assert refused.value.code == "sbom.subject"


@pytest.mark.parametrize("release", ["", "../x", "a" * 65, "4.2 1"])
def test_a_version_that_is_no_name_is_refused(site: Site, release: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        site.services.sboms.file(SYSTEM, "gw-200", release, sbom(release))
    assert refused.value.code == "request.version"


def pack(site: Site, *, covers: tuple[str, ...] = ("generic",), days: Mapping[str, int] | None = None) -> bytes:
    """Return a pack that knows one exploited vulnerability, of busybox before 1.38; `days` ago, by feed."""
    record = {
        "id": "ACME-1",
        "aliases": [CVE],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [
            {
                "package": {"ecosystem": "", "purl": "pkg:generic/busybox"},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.38.0"}]}],
            }
        ],
    }
    ago = {"osv": 0, "kev": 0, "epss": 0} | dict(days or {})
    said: Mapping[str, Mapping[str, object]] = {
        "osv": osv_feed(iter([json.dumps(record).encode()]), covers=frozenset(covers)),
        "kev": {"exploited": [CVE]},
        "epss": {"scores": {CVE: 0.5}},
    }
    feeds = {name: (site.clock.now() - timedelta(days=ago[name]), content) for name, content in said.items()}
    return signed_pack(pack_content(feeds), "security-team", KEY.sign)


def vulnerable(site: Site, **made: Any) -> SimulatedDevice:
    """Return a device that runs busybox 1.37.0, decided on a pack made just now."""
    device = site.of("healthy")[0]
    file(site, device, "busybox")
    site.clock.forward(timedelta(seconds=1))
    site.services.feeds.import_pack(SYSTEM, pack(site, **made))
    decide_again(site)
    return device


def test_what_feeds_know_of_a_component_is_a_fact_of_the_device_that_runs_it(site: Site) -> None:
    found = facts_of(site, vulnerable(site))
    assert found["facts"]["vuln"] == [
        {
            "id": CVE,
            "component": "busybox",
            "severity": "critical",
            "cvss": 9.8,
            "kev": True,
            "epss": 0.5,
            "vex": "affected",
        }
    ]
    assert found["provenance"]["vuln"]["complete"] is True


def test_exposure_answers_for_a_vulnerability(site: Site) -> None:
    device = vulnerable(site)
    found = site.services.exposure.find(SYSTEM, ComponentQuery(cve=CVE), WHOLE_FLEET, PageRequest()).items
    assert device.planned.device_id in {each[0].device.id for each in found}


def test_an_ecosystem_that_no_feed_covers_leaves_the_list_open(site: Site) -> None:
    """Issue 6 item 5: without a feed for it nobody can say that a component has no vulnerability."""
    found = facts_of(site, vulnerable(site, covers=()))
    assert found["provenance"]["vuln"].get("complete", False) is False


def test_a_stale_feed_of_advisories_makes_vulnerabilities_unknown(site: Site) -> None:
    """Issue 6 item 5."""
    device = vulnerable(site)
    until = site.store.view(device.planned.device_id).state.valid_until
    assert until is not None
    assert until <= site.clock.now() + timedelta(days=7), "nobody would decide again when the feed becomes stale"
    site.clock.forward(timedelta(days=7))
    site.services.devices.show(SYSTEM, device.planned.device_id)
    found = facts_of(site, device)["facts"]
    assert "vuln" not in found
    assert found["sbom"]["present"] is True


def test_a_stale_feed_of_exploited_ones_leaves_only_that_unknown(site: Site) -> None:
    site.clock.forward(timedelta(days=8))
    row = facts_of(site, vulnerable(site, days={"kev": 7}))["facts"]["vuln"][0]
    assert "kev" not in row
    assert row["epss"] == 0.5


def test_a_stale_feed_is_told_with_what_to_do(site: Site) -> None:
    vulnerable(site)
    terms = FeedTerms(publishers={})
    assert [*stale_feeds(site.store, terms, site.clock.now())] == []
    later = site.clock.now() + timedelta(days=7)
    assert {each.code for each in stale_feeds(site.store, terms, later)} == {"feeds.stale"}


def test_an_older_pack_does_not_take_the_place_of_a_newer_one(site: Site) -> None:
    older = pack(site, days={"osv": 1})
    vulnerable(site)
    with pytest.raises(ConflictError) as refused:
        site.services.feeds.import_pack(SYSTEM, older)
    assert refused.value.code == "feeds.older"


def test_a_pack_of_the_future_is_refused(site: Site) -> None:
    """It could not be followed by any other until then."""
    with pytest.raises(InvalidRequestError) as refused:
        site.services.feeds.import_pack(SYSTEM, pack(site, days={"osv": -1}))
    assert refused.value.code == "feeds.future"


@pytest.mark.parametrize("role", [PersonRole.VENDOR, PersonRole.AUDITOR])
def test_only_staff_imports_packs(site: Site, role: PersonRole) -> None:
    with pytest.raises(ForbiddenError):
        site.services.feeds.import_pack(Principal(name="x", role=role), pack(site))


def test_staff_for_some_models_imports_no_pack_for_all(site: Site) -> None:
    some = Principal(name="x", role=PersonRole.SECURITY, models=frozenset({"gw-200"}))
    with pytest.raises(ForbiddenError):
        site.services.feeds.import_pack(some, pack(site))


def vex(site: Site, status: str, *, document: str = "acme", **more: Any) -> bytes:
    statement = {
        "vulnerability": {"name": CVE},
        "products": [{"@id": PURL}],
        "status": status,
        "timestamp": format_timestamp(site.clock.now()),
        **more,
    }
    document_ = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": document, "statements": [statement]}
    return json.dumps(document_).encode()


def acme(site: Site, device: SimulatedDevice) -> Principal:
    party = PartyName(site.store.view(device.planned.device_id).device.vendor)
    return Principal(name="acme-ci", role=PersonRole.VENDOR, party=party, models=frozenset({device.planned.model}))


def state(site: Site, device: SimulatedDevice, content: bytes) -> None:
    actor = acme(site, device)
    site.services.statements.file(actor, device.planned.model, release_of(device), content)
    decide_again(site)


def test_a_suppliers_statement_is_in_the_facts_with_its_reason_and_author(site: Site) -> None:
    """Issue 6 item 5: what is not affected, and who said so."""
    device = vulnerable(site)
    state(site, device, vex(site, "not_affected", justification="component_not_present"))
    row = facts_of(site, device)["facts"]["vuln"][0]
    assert (row["vex"], row["justification"]) == ("not_affected", "component_not_present")
    assert row["vex_by"] == acme(site, device).party


def test_exposure_leaves_out_what_a_supplier_ruled_out_and_names_who_looks_into_the_rest(site: Site) -> None:
    device = vulnerable(site)
    query = ComponentQuery(cve=CVE)

    def found() -> list[tuple[str | None, str | None]]:
        items = site.services.exposure.find(SYSTEM, query, WHOLE_FLEET, PageRequest()).items
        mine = [each for each in items if each[0].device.id == device.planned.device_id]
        return [(one.sighting.component.vex, one.sighting.component.vex_by) for each in mine for one in each]

    state(site, device, vex(site, "under_investigation"))
    assert found() == [("under_investigation", acme(site, device).party)]
    site.clock.forward(timedelta(seconds=1))
    state(site, device, vex(site, "fixed"))
    assert found() == []


def test_the_newest_statement_counts_whichever_was_filed_last(site: Site) -> None:
    device = vulnerable(site)
    older = vex(site, "not_affected", document="older", justification="component_not_present")
    site.clock.forward(timedelta(hours=1))
    state(site, device, vex(site, "affected", document="newer"))
    state(site, device, older)
    assert facts_of(site, device)["facts"]["vuln"][0]["vex"] == "affected"


def test_what_a_supplier_knows_and_no_feed_does_is_a_fact_as_well(site: Site) -> None:
    device = vulnerable(site)
    state(site, device, vex(site, "affected", document="own", vulnerability={"name": "ACME-2026-7"}))
    assert "ACME-2026-7" in {row["id"] for row in facts_of(site, device)["facts"]["vuln"]}


def test_statements_about_another_product_are_refused(site: Site) -> None:
    device = vulnerable(site)
    with pytest.raises(InvalidRequestError) as refused:
        state(site, device, vex(site, "fixed", products=[{"@id": "pkg:generic/busybox@1.36.0"}]))
    assert refused.value.code == "vex.product"


def test_statements_of_a_release_without_an_sbom_are_refused(site: Site) -> None:
    with pytest.raises(MissingError) as refused:
        site.services.statements.file(SYSTEM, "gw-200", "0.0.1", vex(site, "fixed"))
    assert refused.value.code == "sbom.missing"


SCANNER = Principal(name="scanner-7", role=PersonRole.OPERATIONS)


def seen(device: SimulatedDevice, *, complete: bool = True, **net: object) -> Seen:
    return Seen(device_id=device.planned.device_id, groups={"net": net}, complete=complete)


def test_what_a_scanner_saw_is_an_observed_fact_of_that_moment(site: Site) -> None:
    device = site.of("healthy")[0]
    at = site.clock.now() - timedelta(minutes=10)
    report = site.services.reports.file(SCANNER, at, [seen(device, open_ports=[443])])
    decide_again(site)
    found = facts_of(site, device)
    origin = found["provenance"]["net"]
    assert found["facts"]["net"] == {"open_ports": [443]}
    assert (origin["source"], origin["observed_at"]) == ("observed", format_timestamp(at))
    assert origin["evidence_digest"] == report


def test_what_a_scanner_saw_stands_over_what_the_device_says_of_itself(site: Site) -> None:
    device = site.of("healthy")[3]
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    site.services.reports.file(SCANNER, site.clock.now(), [seen(device, open_ports=[23, 443])])
    said = {**simulated.check_in(device, nonce), "reported": {"net": {"open_ports": [443]}}}
    asyncio.run(site.services.checkins.check_in(request(said)))
    assert facts_of(site, device)["facts"]["net"]["open_ports"] == [23, 443]


def test_a_report_is_an_act_that_names_who_reports(site: Site) -> None:
    device = site.of("healthy")[0]
    site.services.reports.file(SCANNER, site.clock.now(), [seen(device, tls_min="1.2")])
    newest = site.services.audit.events(SYSTEM, PageRequest(limit=1)).items[0]
    assert (newest.actor, newest.action, newest.subject) == ("scanner-7", "report.file", device.planned.device_id)


def test_an_older_report_does_not_take_the_place_of_a_newer_one(site: Site) -> None:
    device = site.of("healthy")[0]
    site.services.reports.file(SCANNER, site.clock.now(), [seen(device, open_ports=[23])])
    with pytest.raises(ConflictError) as refused:
        site.services.reports.file(SCANNER, site.clock.now() - timedelta(seconds=1), [seen(device, open_ports=[])])
    assert refused.value.code == "report.older"


def test_a_report_of_the_future_is_refused(site: Site) -> None:
    """It would stand over every other until then."""
    with pytest.raises(InvalidRequestError) as refused:
        site.services.reports.file(SCANNER, site.clock.now() + timedelta(hours=1), [seen(site.of("healthy")[0])])
    assert refused.value.code == "report.future"


def test_a_report_says_nothing_but_network_and_configuration(site: Site) -> None:
    told = Seen(device_id=site.of("healthy")[0].planned.device_id, groups={"boot": {"secure": True}}, complete=True)
    with pytest.raises(InvalidRequestError) as refused:
        site.services.reports.file(SCANNER, site.clock.now(), [told])
    assert refused.value.code == "report.groups"
    assert told.device_id in refused.value.message


def test_an_ill_typed_report_is_refused_with_its_place(site: Site) -> None:
    with pytest.raises(FactError) as refused:
        site.services.reports.file(SCANNER, site.clock.now(), [seen(site.of("healthy")[0], open_ports=["ssh"])])
    assert refused.value.path == "devices[0].net.open_ports[0]"


def test_a_device_that_a_sensor_may_not_see_answers_like_one_that_is_not_there(site: Site) -> None:
    device = site.of("healthy")[0]
    some = Principal(name="x", role=PersonRole.OPERATIONS, models=frozenset({"other"}))
    nobody = Seen(device_id=DeviceId("gw-9999"), groups={"net": {"open_ports": []}}, complete=True)
    for told in (seen(device, open_ports=[]), nobody):
        with pytest.raises(MissingError) as refused:
            site.services.reports.file(some, site.clock.now(), [told])
        assert refused.value.code == "device.missing"


def test_what_was_reported_is_read_back_with_its_age_and_author(site: Site) -> None:
    device, at = site.of("healthy")[2], site.clock.now()
    report = site.services.reports.file(SCANNER, at, [seen(device, complete=False, tls_min="1.3")])
    (found,) = site.services.reports.of(SYSTEM, DeviceId(device.planned.device_id))
    assert (found.facts, found.observed_at, found.complete) == ({"tls_min": "1.3"}, at, False)
    assert (found.filed.name, found.filed.by, found.filed.original) == ("net", "scanner-7", report)


def test_pages_of_reports_are_in_order_and_miss_none(site: Site) -> None:
    devices = site.of("healthy")[:3]
    for device in devices:
        both = {"net": {"open_ports": []}, "config": {"log_enabled": True}}
        told = Seen(device_id=device.planned.device_id, groups=both, complete=True)
        site.services.reports.file(SCANNER, site.clock.now(), [told])
    found, page = [], PageRequest(limit=1)
    while True:
        part = site.services.reports.list(SYSTEM, page)
        found.extend((each.device_id, each.filed.name) for each in part.items)
        if part.next is None:
            break
        page = PageRequest(cursor=part.next, limit=1)
    assert found == sorted(set(found))
    assert {(device.planned.device_id, group) for device in devices for group in ("net", "config")} <= set(found)


def test_a_viewer_of_some_models_reads_reports_on_their_devices_only(site: Site) -> None:
    device = site.of("healthy")[0]
    site.services.reports.file(SCANNER, site.clock.now(), [seen(device, open_ports=[])])
    models = {each.planned.device_id: each.planned.model for each in site.devices.values()}
    for model in ("gw-200", "plc-9", "none"):
        viewer = Principal(name="v", role=PersonRole.VENDOR, models=frozenset({model}))
        found = site.services.reports.list(viewer, PageRequest()).items
        assert {models[each.device_id] for each in found} <= {model}
        if device.planned.model != model:
            with pytest.raises(MissingError):
                site.services.reports.of(viewer, DeviceId(device.planned.device_id))


def test_every_decision_made_on_filed_facts_is_made_again_the_same(site: Site) -> None:
    """DESIGN section 1: replay gives the same bytes, whatever was filed since."""
    found = site.services.audit.replay()
    assert found.checked > 0
    assert found.differences == ()
