"""What people do and see over a real database: registry, bundles, certificates, audit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from pki.revocation import Reason
from policyengine.model.decision import Tier
from policyengine.model.ids import device_id
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    MissingError,
    RefusedError,
)
from policyengine.services.ports import DeviceFilter, PageRequest
from policyengine.services.records import CertificateStatus, Lifecycle
from policyengine.services.registry.devices import NewDevice
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, announced, next_nonce, open_site, put_in_force, ready_site

ACME = Principal(name="acme", role=PersonRole.VENDOR, models=frozenset({"gw-200"}))
AUDITOR = Principal(name="Ada", role=PersonRole.AUDITOR)
FIRST = PageRequest()


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def enrolled(site: Site, scenario: str = "healthy", at: int = 0) -> SimulatedDevice:
    device = site.of(scenario)[at]
    asyncio.run(site.enrol(device))
    return device


def walk(site: Site, limit: int, where: DeviceFilter) -> list[str]:
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = site.services.devices.list(SYSTEM, where, PageRequest(cursor=cursor, limit=limit))
        names += [device.id for device, _ in page.items]
        if page.next is None:
            return names
        cursor = page.next


@pytest.mark.parametrize("limit", [1, 7, 30, 500])
def test_pages_of_any_size_show_every_device_once_in_order(site: Site, limit: int) -> None:
    assert walk(site, limit, DeviceFilter()) == sorted(site.devices)


def test_cursor_of_somebody_elses_making_is_refused(site: Site) -> None:
    for cursor in ("", "%%%", "AAAA", "'; DROP TABLE device; --", "\ud800"):
        with pytest.raises(InvalidRequestError):
            site.services.devices.timeline(SYSTEM, next(iter(site.devices)), PageRequest(cursor=cursor))


def test_wildcards_in_a_search_mean_themselves(site: Site) -> None:
    """Service ceilings section 7, lines 25 and 34."""
    assert walk(site, 500, DeviceFilter(text="%")) == walk(site, 500, DeviceFilter(text="gw_00")) == []


def test_vendor_sees_only_its_models_and_the_rest_is_missing(site: Site) -> None:
    """Service ceilings section 7, line 32."""
    other = next(name for name, device in site.devices.items() if device.planned.model != "gw-200")
    page = site.services.devices.list(ACME, DeviceFilter(), PageRequest(limit=500))
    with pytest.raises(MissingError):
        site.services.devices.show(ACME, device_id(other))
    assert {device.model for device, _ in page.items} == {"gw-200"}


def test_vendor_cannot_read_a_foreign_decision_or_certificate(site: Site) -> None:
    foreign = next(device for device in site.of("healthy") if device.planned.model != "gw-200")
    reply = asyncio.run(site.enrol(foreign))
    serial = site.store.view(foreign.planned.device_id).certificate.serial
    with pytest.raises(MissingError):
        site.services.audit.decision(ACME, reply.decision_id)
    with pytest.raises(MissingError):
        site.services.certificates.show(ACME, serial)
    assert site.services.certificates.list(ACME, FIRST).items == ()


def test_auditor_changes_nothing(site: Site) -> None:
    name = next(iter(site.devices))
    with pytest.raises(ForbiddenError):
        site.services.devices.retire(AUDITOR, name, reason="no")


def test_id_registered_for_another_serial_is_not_taken_over_by_an_import(site: Site) -> None:
    planned = next(iter(site.devices.values())).planned
    clash = NewDevice(id=planned.device_id, vendor=planned.vendor, model=planned.model, serial="AC-99999999", labels={})
    with pytest.raises(ConflictError) as refused:
        site.services.devices.announce(SYSTEM, [clash])
    assert refused.value.code == "registry.conflict"


def test_import_is_all_or_nothing(site: Site) -> None:
    planned = next(iter(site.devices.values())).planned
    fresh = NewDevice(id=device_id("gw-new"), vendor=planned.vendor, model=planned.model, serial="AC-1", labels={})
    clash = NewDevice(id=planned.device_id, vendor=planned.vendor, model=planned.model, serial="AC-99999999", labels={})
    with pytest.raises(ConflictError):
        site.services.devices.announce(SYSTEM, [fresh, clash])
    assert site.store.view(device_id("gw-new")) is None


def test_model_that_the_fleet_does_not_have_is_refused(site: Site) -> None:
    unknown = NewDevice(id=device_id("x-1"), vendor="vendor-acme", model="gw-9999", serial="AC-1", labels={})
    with pytest.raises(InvalidRequestError) as refused:
        site.services.devices.announce(SYSTEM, [unknown])
    assert refused.value.code == "request.model"
    assert refused.value.message.startswith("device `x-1`: ")


def test_genuine_device_that_nobody_announced_waits_for_a_person_where_the_fleet_says_so(database: str) -> None:
    """DESIGN section 11: fleet.yaml enrollment.unknown pending."""
    site = open_site(database)
    put_in_force(site, fleet=(b"unknown: refuse", b"unknown: pending"))
    device = site.of("healthy")[0]
    with pytest.raises(RefusedError) as refused:
        asyncio.run(site.enrol(device))
    page = site.services.devices.list(SYSTEM, DeviceFilter(lifecycle=Lifecycle.PENDING), FIRST)
    waiting = page.items[0][0]
    site.services.devices.admit(SYSTEM, waiting.id)
    reply = asyncio.run(site.enrol(device))
    site.store.close()
    assert (refused.value.code, waiting.serial, reply.device_id) == (
        "enrolment.pending",
        device.planned.serial,
        waiting.id,
    )


def test_explanation_names_rule_place_fact_and_evidence(site: Site) -> None:
    """Issue 2: an auditor asks why one of them was quarantined."""
    device = enrolled(site, "debug")
    found = site.services.audit.explain_device(AUDITOR, device.planned.device_id)
    decisive = [reason for reason in found.document["because"] if reason["decisive"]]
    first = decisive[0]
    assert found.document["tier"] == "quarantine"
    assert first["source"]["commit"] == "c0ffee"
    assert first["source"]["line"] > 0
    assert all("evidence_digest" in seen for seen in first["facts"].values() if seen["source"] == "attested")
    assert first["change"].startswith("`")
    assert first["source"]["file"] in found.text


def test_explanation_as_of_an_earlier_time_is_of_the_decision_then(site: Site) -> None:
    device = enrolled(site)
    then = site.clock.time
    site.clock.forward(timedelta(days=30))
    site.services.sweep.run()
    past = site.services.audit.explain_device(AUDITOR, device.planned.device_id, as_of=then)
    now = site.services.audit.explain_device(AUDITOR, device.planned.device_id)
    assert past.document["decided_at"] < now.document["decided_at"]


def test_facts_file_of_a_device_can_be_evaluated_again(site: Site) -> None:
    """DESIGN section 11: the facts file shape."""
    device = enrolled(site)
    document = site.services.devices.facts(AUDITOR, device.planned.device_id)
    assert {"device_id", "facts", "provenance"} == set(document)
    assert document["facts"]["boot"]["secure"] is True
    assert document["provenance"]["boot"]["source"] == "attested"


def test_timeline_is_newest_first_and_its_pages_join(site: Site) -> None:
    device = enrolled(site)
    name = device.planned.device_id
    for number in range(3):
        site.services.devices.quarantine(SYSTEM, name, reason=f"round {number}")
        site.services.devices.release(SYSTEM, name, reason="over")
    whole = site.services.devices.timeline(SYSTEM, name, PageRequest(limit=100)).items
    pieces: list[object] = []
    cursor: str | None = None
    while True:
        page = site.services.devices.timeline(SYSTEM, name, PageRequest(cursor=cursor, limit=2))
        pieces += page.items
        cursor = page.next
        if cursor is None:
            break
    assert pieces == list(whole)
    assert [entry.at for entry in whole] == sorted((entry.at for entry in whole), reverse=True)
    assert {"decision", "certificate", "certificate-status", "act"} == {entry.kind for entry in whole}


def test_revoked_certificate_is_no_identity_any_more(site: Site) -> None:
    device = enrolled(site)
    record = site.store.view(device.planned.device_id).certificate
    assert site.services.certificates.identify(record.certificate) == device.planned.device_id
    site.services.certificates.revoke(SYSTEM, record.serial, reason=Reason.KEY_COMPROMISE)
    with pytest.raises(RefusedError):
        site.services.certificates.identify(record.certificate)


def test_revocation_is_for_good(site: Site) -> None:
    device = enrolled(site)
    serial = site.store.view(device.planned.device_id).certificate.serial
    site.services.certificates.revoke(SYSTEM, serial, reason=Reason.KEY_COMPROMISE)
    for act in (site.services.certificates.release, site.services.certificates.hold):
        with pytest.raises(ConflictError):
            act(SYSTEM, serial, reason="please")


def test_who_cannot_hold_a_certificate_is_told_what_it_is(site: Site) -> None:
    serial = site.store.view(enrolled(site).planned.device_id).certificate.serial
    site.services.certificates.hold(SYSTEM, serial, reason="lost")
    with pytest.raises(ConflictError) as held:
        site.services.certificates.hold(SYSTEM, serial, reason="lost")
    site.services.certificates.release(SYSTEM, serial, reason="found")
    with pytest.raises(ConflictError) as released:
        site.services.certificates.release(SYSTEM, serial, reason="found")
    assert [held.value.message, released.value.message] == [
        "the certificate is on hold already",
        "the certificate is good, and not on hold",
    ]


def test_persons_hold_outlives_a_check_in_at_full_tier(site: Site) -> None:
    """A hold that a person made is theirs to end."""
    device = site.of("healthy")[0]
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    serial = site.store.view(device.planned.device_id).certificate.serial
    site.services.certificates.hold(SYSTEM, serial, reason="lost for a day")
    asyncio.run(site.check_in(device, nonce))
    assert site.store.certificate(serial).status is CertificateStatus.HOLD


def test_foreign_certificate_is_refused(site: Site) -> None:
    device = site.of("healthy")[0]
    with pytest.raises(RefusedError) as refused:
        site.services.certificates.identify(device.chain[0])
    assert refused.value.code == "certificate.foreign"


def test_bundle_published_before_the_one_in_force_is_not_activated(site: Site) -> None:
    """Service ceilings section 7, line 27: rolled-back bundle refused, policy stays active."""
    old = site.services.bundles.active()
    new = put_in_force(site, it__cleartext=(b"severity: high", b"severity: critical"))
    with pytest.raises(ConflictError) as refused:
        site.services.bundles.activate(SYSTEM, old.digest, expected_generation=2)
    assert (refused.value.code, site.services.bundles.active().digest) == ("bundle.older", new)


def test_bundle_published_again_can_be_put_in_force_again(site: Site) -> None:
    old = site.services.bundles.active()
    put_in_force(site, it__cleartext=(b"severity: high", b"severity: critical"))
    assert put_in_force(site) == old.digest


def test_every_act_names_its_actor(site: Site) -> None:
    operator = Principal(name="Bo", role=PersonRole.OPERATIONS)
    device = enrolled(site)
    site.services.devices.quarantine(operator, device.planned.device_id, reason="odd", tier=Tier.LIMITED)
    newest = site.services.audit.events(AUDITOR, FIRST).items[0]
    assert (newest.actor, newest.action, newest.subject) == ("Bo", "device.quarantine", device.planned.device_id)


def test_restricted_explanation_says_who_and_why(site: Site) -> None:
    device = enrolled(site)
    site.services.devices.quarantine(SYSTEM, device.planned.device_id, reason="odd smell")
    found = site.services.audit.explain_device(AUDITOR, device.planned.device_id)
    assert "odd smell" in found.text
    assert (found.document["tier"], found.document["decided_tier"]) == ("quarantine", "full")


def test_decision_is_answered_byte_for_byte_as_it_was_stored(site: Site) -> None:
    reply = asyncio.run(site.enrol(site.of("tampered")[0]))
    kept = site.store.decision(reply.decision_id)
    answered = site.services.audit.decision(AUDITOR, reply.decision_id)
    assert (answered, json.loads(answered)["decision_id"]) == (kept.document, reply.decision_id)


def test_health_is_ready_once_a_bundle_is_in_force(database: str) -> None:
    site = open_site(database)
    before = site.services.health.check()
    put_in_force(site)
    after = site.services.health.check()
    site.store.close()
    assert (before.ready, before.problems, after.ready) == (False, ("policy.none",), True)


def test_announced_devices_are_expected(site: Site) -> None:
    again = announced(next(iter(site.devices.values())).planned)
    assert site.store.view(again.id).device.lifecycle is Lifecycle.EXPECTED
