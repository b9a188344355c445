"""MUD files that a model's maker signed become facts of its devices, over real databases (RFC 8520)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from policyengine.model.ids import PartyName
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError, MissingError
from policyengine.services.ports import PageRequest
from policyengine.services.supply.muds import FiledMud, SignedFile, stale_muds
from policyengine.services.supply.reports import Seen
from policyengine.simulation import device as simulated
from policyengine.simulation.device import SimulatedDevice
from tests.support.mud_signer import SUBJECT, make_signer
from tests.support.site import START, Site, next_nonce, ready_site, request, vendors
from tests.vectors import make_mud as made

MODEL = "gw-200"
MAKER = PartyName("vendor-acme")
SIGNER = make_signer(vendors()["vendor-acme"], now=START)
ANCHOR = b"use: [idevid]\n      vendor: vendor-acme"
ANCHORS = {"trust_anchors__index": (ANCHOR, ANCHOR.replace(b"idevid]", b"idevid, mud]"))}
RULE = "operations/exposure#ports-in-mud-profile"


@pytest.fixture(scope="module")
def site(module_database: str) -> Iterator[Site]:
    made_site = ready_site(module_database, **ANCHORS)
    for device in made_site.of("healthy")[:4]:
        asyncio.run(made_site.enrol(device))
    made_site.clock.forward(timedelta(minutes=1))
    yield made_site
    made_site.store.close()


def gateway(site: Site) -> SimulatedDevice:
    return next(device for device in site.of("healthy") if device.planned.model == MODEL)


def signed(document: object) -> SignedFile:
    content = json.dumps(document).encode()
    return SignedFile(content=content, signature=SIGNER.sign(content))


def file(
    site: Site, *, release: str | None = None, actor: Principal = SYSTEM, model: str = MODEL, **members: Any
) -> FiledMud:
    return site.services.muds.file(actor, model, release, signed(made.document(**members)))


def mud_of(site: Site, device: SimulatedDevice) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    site.services.sweep.run()
    found = site.services.devices.facts(SYSTEM, device.planned.device_id)
    return found["facts"].get("mud", {}), found["provenance"].get("mud", {})


def seen(site: Site, device: SimulatedDevice, *ports: int) -> None:
    """Let a scanner see these ports open, and no others."""
    told = Seen(device_id=device.planned.device_id, groups={"net": {"open_ports": list(ports)}}, complete=True)
    site.services.reports.file(SYSTEM, site.clock.now(), [told])


def verdict(site: Site, device: SimulatedDevice) -> str:
    site.services.sweep.run()
    newest = site.services.devices.decisions(SYSTEM, device.planned.device_id, PageRequest(limit=1)).items[0]
    found = json.loads(site.services.audit.decision(SYSTEM, newest.decision_id))
    return next(each["result"] for each in found["findings"] if each["rule"] == RULE)


def test_a_models_file_is_a_fact_of_its_devices_with_source_age_and_signer(site: Site) -> None:
    found = file(site)
    facts, origin = mud_of(site, gateway(site))
    assert (facts["present"], facts["is_supported"], facts["mfg_name"]) == (True, True, "Acme")
    assert (facts["signer"], facts["last_update"]) == (SUBJECT, "2026-11-01T00:00:00Z")
    assert facts["outbound"] == [
        {"peer_kind": "dns", "peer": "cloud.acme.example", "protocol": "tcp", "port_from": 8883, "port_to": 8883}
    ]
    assert (origin["source"], origin["evidence_digest"]) == ("declared", found.filed.original)


def test_ports_that_a_scanner_saw_are_held_to_the_file(site: Site) -> None:
    """Issue 6 item 5: MUD profiles beside network reports."""
    device = gateway(site)
    file(site)
    seen(site, device, 443)
    assert verdict(site, device) == "pass"
    seen(site, device, 443, 8080)
    assert verdict(site, device) == "fail"


def test_a_file_that_cannot_all_be_said_proves_no_port_closed(site: Site) -> None:
    device = gateway(site)
    other = made.entry("odd", ipv4={"protocol": 6, "ttl": 1}, tcp=made.at(8080))
    assert file(site, inbound=(made.LOCAL, other)).left_out == ("to/odd",)
    seen(site, device, 443, 8080)
    assert verdict(site, device) == "unknown"


def test_a_releases_own_file_counts_before_its_models(site: Site) -> None:
    device = gateway(site)
    file(site, systeminfo="any release")
    file(site, release=device.planned.release.version, systeminfo="this release")
    assert mud_of(site, device)[0]["system_info"] == "this release"


def test_a_check_in_has_the_file_and_a_device_says_nothing_of_it_itself(site: Site) -> None:
    device = gateway(site)
    file(site, release=device.planned.release.version, model_name="ours")
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    asyncio.run(site.services.checkins.check_in(request(simulated.check_in(device, nonce))))
    assert mud_of(site, device)[0]["model_name"] == "ours"


def test_a_file_is_unknown_once_it_must_be_fetched_again_and_counts_when_it_was(site: Site) -> None:
    """RFC 8520 section 3.5, cache-validity."""
    device = gateway(site)
    release = device.planned.release.version
    file(site, release=release, cache_validity=1)
    assert mud_of(site, device)[0]["present"] is True
    site.clock.forward(timedelta(hours=1))
    assert mud_of(site, device)[0] == {}
    assert "mud.stale" in {finding.code for finding in stale_muds(site.store, site.clock.now())}
    file(site, release=release, cache_validity=1)
    assert mud_of(site, device)[0]["present"] is True


def test_what_was_sent_is_read_back_byte_for_byte(site: Site) -> None:
    sent = signed(made.document(systeminfo="as sent"))
    site.services.muds.file(SYSTEM, MODEL, None, sent)
    assert site.services.muds.original(SYSTEM, MODEL, None)[1] == sent


def test_an_older_file_does_not_take_the_place_of_a_newer_one(site: Site) -> None:
    """Signed as it is, it would open again what its maker closed."""
    file(site)
    with pytest.raises(ConflictError) as refused:
        file(site, last_update="2026-10-31T00:00:00Z")
    assert refused.value.code == "mud.older"


def test_a_file_that_another_signature_is_over_is_refused_unread(site: Site) -> None:
    sent = SignedFile(content=b"not even JSON", signature=signed(made.document()).signature)
    with pytest.raises(InvalidRequestError) as refused:
        site.services.muds.file(SYSTEM, MODEL, None, sent)
    assert refused.value.code == "mud.signature"


def test_a_signer_whom_no_anchor_vouches_for_is_refused(site: Site) -> None:
    """RFC 8520 section 13.2; the anchor of another vendor's models says nothing of this one's."""
    content = json.dumps(made.document()).encode()
    stranger = make_signer(vendors()["vendor-borealis"], now=START)
    with pytest.raises(InvalidRequestError) as refused:
        site.services.muds.file(SYSTEM, MODEL, None, SignedFile(content=content, signature=stranger.sign(content)))
    assert refused.value.code == "mud.signer"


def test_a_model_without_an_anchor_for_mud_takes_no_file(site: Site) -> None:
    """An anchor of identities is none of MUD files, unless it says so."""
    with pytest.raises(InvalidRequestError) as refused:
        file(site, model="sn-40")
    assert refused.value.code == "mud.signer"


def test_a_certificate_that_is_not_for_signatures_signs_nothing(site: Site) -> None:
    """RFC 8520 section 13.2: digitalSignature must be set."""
    content = json.dumps(made.document()).encode()
    other = make_signer(vendors()["vendor-acme"], now=START, signs=False)
    with pytest.raises(InvalidRequestError) as refused:
        site.services.muds.file(SYSTEM, MODEL, None, SignedFile(content=content, signature=other.sign(content)))
    assert refused.value.code == "mud.signer"


def test_filing_is_an_act_in_the_log_that_names_its_author(site: Site) -> None:
    maker = Principal(name="acme-ci", role=PersonRole.VENDOR, party=MAKER, models=frozenset({MODEL}))
    found = file(site, actor=maker, systeminfo="by its maker")
    newest = site.services.audit.events(SYSTEM, PageRequest(limit=1)).items[0]
    assert (newest.actor, newest.action, newest.subject) == ("acme-ci", "mud.file", MODEL)
    assert newest.detail["mud"] == found.filed.original


def test_another_vendor_does_not_see_the_model(site: Site) -> None:
    other = Principal(name="b", role=PersonRole.VENDOR, party=PartyName("vendor-borealis"), models=frozenset({"sn-40"}))
    for ask in (lambda: file(site, actor=other), lambda: site.services.muds.list(other, MODEL)):
        with pytest.raises(MissingError) as refused:
            ask()
        assert refused.value.code == "model.missing"


def test_an_auditor_reads_and_files_nothing(site: Site) -> None:
    auditor = Principal(name="a", role=PersonRole.AUDITOR)
    assert site.services.muds.list(auditor, MODEL)
    with pytest.raises(ForbiddenError):
        file(site, actor=auditor)


def test_every_decision_made_on_filed_facts_is_made_again_the_same(site: Site) -> None:
    """DESIGN section 1: replay gives the same bytes, whatever was filed since."""
    found = site.services.audit.replay()
    assert found.checked > 0
    assert found.differences == ()
