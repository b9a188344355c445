"""Check-ins over a real database, with real keys and evidence."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from policyengine.model.decision import Tier
from policyengine.model.ids import device_id
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import ConflictError, RefusedError
from policyengine.services.ports import PageRequest
from policyengine.services.records import CertificateStatus
from policyengine.simulation import device as simulated
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, next_nonce, ready_site, request


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def healthy(site: Site) -> SimulatedDevice:
    return site.of("healthy")[0]


def enrol(site: Site, device: SimulatedDevice) -> bytes:
    return next_nonce(asyncio.run(site.enrol(device)))


def octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def count(site: Site, table: str, where: str = "1 = 1") -> int:
    with site.store._engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())


def events(site: Site) -> list[tuple[str, str | None, str | None]]:
    page = site.services.audit.security_events(SYSTEM, PageRequest())
    return [(event.code, event.check, event.device_id) for event in page.items]


def test_announced_device_with_idevid_enrols_and_gets_a_certificate(site: Site) -> None:
    """DESIGN section 11: identity by IDevID; section 9: a certificate only after a decision."""
    device = healthy(site)
    reply = asyncio.run(site.enrol(device))
    document = json.loads(reply.body)
    leaf = x509.load_der_x509_certificate(octets(document["certificate"]))
    spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    expected = device.operational_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (reply.tier, spki) == (Tier.FULL, expected)


def test_the_chain_of_a_certificate_leads_from_its_issuer_to_the_root(site: Site) -> None:
    """DESIGN section 11: bytes are base64url without padding, certificates too."""
    document = json.loads(asyncio.run(site.enrol(healthy(site))).body)
    path = [x509.load_der_x509_certificate(octets(text)) for text in (document["certificate"], *document["chain"])]
    for certificate, issuer in pairwise(path):
        certificate.verify_directly_issued_by(issuer)
    assert (len(path), path[-1].subject) == (3, path[-1].issuer)


def test_reply_holds_the_decision_and_what_the_device_needs_next(site: Site) -> None:
    """DESIGN sections 10 and 11."""
    document = json.loads(asyncio.run(site.enrol(healthy(site))).body)
    needed = {"decision_id", "tier", "findings", "attestation_result", "certificate", "chain", "next_nonce"}
    assert needed | {"next_checkin_after", "server_time", "bundle", "valid_until"} <= document.keys()


def test_audited_rules_are_not_told_to_the_device(site: Site) -> None:
    """DESIGN section 6: `audit` records, `warn` also tells device and channel."""
    reply = asyncio.run(site.enrol(healthy(site)))
    recorded = json.loads(site.services.audit.decision(SYSTEM, reply.decision_id))
    told = {finding["mode"] for finding in json.loads(reply.body)["findings"]}
    assert "audit" in {finding["mode"] for finding in recorded["findings"]}
    assert "audit" not in told


def test_next_nonce_of_the_reply_is_good_for_the_next_check_in(site: Site) -> None:
    device = healthy(site)
    nonce = enrol(site, device)
    site.clock.forward(timedelta(hours=1))
    assert asyncio.run(site.check_in(device, nonce)).tier is Tier.FULL


def test_spent_nonce_is_refused_and_recorded(site: Site) -> None:
    """Service ceilings section 7, line 4."""
    device = healthy(site)
    nonce = enrol(site, device)
    asyncio.run(site.check_in(device, nonce))
    other = {**simulated.check_in(device, nonce), "reported": {}}
    with pytest.raises(RefusedError) as refused:
        asyncio.run(site.services.checkins.check_in(request(other)))
    assert refused.value.code == "nonce.spent"
    assert ("nonce.spent", "nonce.spent", device.planned.device_id) in events(site)


def test_challenge_older_than_one_the_device_spent_is_refused_and_reserves_nothing(site: Site) -> None:
    """An unbound nonce is under the floor as well; the device is not "changing too fast", and no serial is burnt."""
    device = healthy(site)
    early = site.challenge()
    enrol(site, device)
    before = count(site, "certificate")
    with pytest.raises(RefusedError) as refused:
        asyncio.run(site.services.checkins.check_in(request(simulated.enrolment(device, early))))
    assert (refused.value.code, count(site, "certificate")) == ("nonce.spent", before)


def test_unknown_device_is_refused_before_anything_it_sent_is_read(site: Site) -> None:
    """Service ceilings section 7, line 42: a flood of unknown ids costs no signature check, not even a parse."""
    nonce = site.services.challenges.issue(device_id("gw-nobody")).nonce
    body = {**simulated.enrolment(healthy(site), nonce), "csr": "bm8gY3Ny"}
    with pytest.raises(RefusedError) as refused:
        asyncio.run(site.services.checkins.check_in(request(body)))
    assert refused.value.code == "identity.unknown-device"
    assert events(site) == [("identity.unknown-device", "identity.unknown-device", None)]


def test_byte_identical_retry_returns_the_stored_reply_and_records_nothing(site: Site) -> None:
    """DESIGN section 12: a lost answer loses nothing."""
    device = healthy(site)
    asked = request(simulated.enrolment(device, site.challenge()))
    first = asyncio.run(site.services.checkins.check_in(asked))
    leaves = count(site, "log_leaf")
    again = asyncio.run(site.services.checkins.check_in(asked))
    assert (again.body, again.repeated, count(site, "log_leaf")) == (first.body, True, leaves)


def test_evidence_of_another_device_with_my_nonce_leaves_both_as_they_were(site: Site) -> None:
    """DESIGN section 6: nobody can quarantine someone else's device, nor spend its nonce."""
    victim, attacker = site.of("healthy")[:2]
    nonce = enrol(site, victim)
    enrol(site, attacker)
    before = site.store.view(victim.planned.device_id)
    with pytest.raises(RefusedError):
        asyncio.run(site.check_in(attacker, nonce))
    assert site.store.view(victim.planned.device_id) == before
    assert asyncio.run(site.check_in(victim, nonce)).tier is Tier.FULL


def test_idevid_of_another_device_does_not_take_over_an_enrolled_one(site: Site) -> None:
    """Service ceilings section 7, line 5: 409, the first key stays valid, the event is logged."""
    victim, attacker = site.of("healthy")[:2]
    nonce = enrol(site, victim)
    body = simulated.enrolment(attacker, nonce)
    with pytest.raises(ConflictError) as refused:
        asyncio.run(site.services.checkins.check_in(request(body)))
    assert refused.value.code == "identity.conflict"
    assert any(code == "identity.conflict" for code, _, _ in events(site))


@pytest.mark.parametrize(
    ("scenario", "check"), [("wrong-key", "binding.evidence-key"), ("foreign-csr", "binding.csr-key")]
)
def test_evidence_not_bound_to_one_key_is_refused(site: Site, scenario: str, check: str) -> None:
    """DESIGN section 8: evidence key, CSR key and identity are linked, else no certificate."""
    device = site.of(scenario)[0]
    with pytest.raises(RefusedError) as refused:
        asyncio.run(site.enrol(device))
    assert refused.value.fields["check"] == check
    assert events(site) == [(refused.value.code, check, device.planned.device_id)]
    assert site.store.view(device.planned.device_id).state is None
    assert count(site, "certificate") == 0


@pytest.mark.parametrize("scenario", ["tampered", "debug"])
def test_authentic_evidence_that_fails_policy_is_a_recorded_quarantine(site: Site, scenario: str) -> None:
    """DESIGN section 6: a recorded Decision answers 200 whatever its tier; nothing is issued there."""
    device = site.of(scenario)[0]
    reply = asyncio.run(site.enrol(device))
    assert reply.tier is Tier.QUARANTINE
    assert "certificate" not in json.loads(reply.body)
    assert count(site, "certificate") == 0


def test_device_that_nobody_announced_is_refused(site: Site) -> None:
    """DESIGN section 11: fleet.yaml enrollment.unknown refuse."""
    device = healthy(site)
    with site.store._engines.write.begin() as connection:
        connection.execute(text("DELETE FROM device WHERE id = :id"), {"id": device.planned.device_id})
    with pytest.raises(RefusedError) as refused:
        asyncio.run(site.enrol(device))
    assert refused.value.code == "identity.unannounced"


def test_devices_that_share_a_key_are_both_limited_once_the_second_shows_up(site: Site) -> None:
    """The first is decided again by the sweep, at once."""
    first, second = site.of("shared-key")
    asyncio.run(site.enrol(first))
    asyncio.run(site.enrol(second))
    assert site.services.sweep.run() == 1
    tiers = {site.store.view(device.planned.device_id).state.tier for device in (first, second)}
    assert tiers == {Tier.LIMITED}


def test_silent_device_is_decided_again_after_its_validity(site: Site) -> None:
    device = site.of("silent")[0]
    enrol(site, device)
    site.clock.forward(timedelta(days=5))
    assert site.services.sweep.run() == 1
    state = site.store.view(device.planned.device_id).state
    assert state.decided_at > state.last_seen
    assert any(verdict.result == "unknown" for verdict in site.store.verdicts(device.planned.device_id, None))


def test_reading_a_device_after_its_validity_decides_it_again_first(site: Site) -> None:
    """DESIGN section 6: reads after valid_until re-decide."""
    device = healthy(site)
    enrol(site, device)
    site.clock.forward(timedelta(days=30))
    state = site.services.devices.show(SYSTEM, device.planned.device_id).state
    assert state is not None
    assert state.decided_at > state.last_seen
    assert state.valid_until is None or state.valid_until > site.clock.time


def test_person_quarantines_and_releases_and_the_certificate_follows(site: Site) -> None:
    """A tier that the profile does not name holds the current certificate; it comes back with the tier."""
    device = healthy(site)
    name = device.planned.device_id
    enrol(site, device)
    site.services.devices.quarantine(SYSTEM, name, reason="looks odd")
    held = site.store.view(name)
    site.services.devices.release(SYSTEM, name, reason="was a cable")
    free = site.store.view(name)
    assert (held.state.tier, held.certificate.status) == (Tier.QUARANTINE, CertificateStatus.HOLD)
    assert (free.state.tier, free.certificate.status) == (Tier.FULL, CertificateStatus.GOOD)


def test_check_in_does_not_lift_what_a_person_put_on_a_device(site: Site) -> None:
    device = healthy(site)
    nonce = enrol(site, device)
    site.services.devices.quarantine(SYSTEM, device.planned.device_id, reason="looks odd")
    reply = asyncio.run(site.check_in(device, nonce))
    document = json.loads(reply.body)
    assert (reply.tier, document["tier"], document["restriction"]["tier"]) == (
        Tier.QUARANTINE,
        "quarantine",
        "quarantine",
    )


def test_retired_device_is_refused(site: Site) -> None:
    device = healthy(site)
    nonce = enrol(site, device)
    site.services.devices.retire(SYSTEM, device.planned.device_id, reason="sold")
    with pytest.raises(RefusedError) as refused:
        asyncio.run(site.check_in(device, nonce))
    assert refused.value.code == "device.retired"


def test_renewal_continues_the_lineage(site: Site) -> None:
    """DESIGN section 9: renewal passes the same policy; quarantine and retirement keep the lineage."""
    device = healthy(site)
    nonce = enrol(site, device)
    first = site.store.view(device.planned.device_id).certificate
    asyncio.run(site.renew(device, nonce))
    second = site.store.view(device.planned.device_id).certificate
    assert (first.lineage, second.lineage, second.replaces) == (1, 2, first.serial)


def test_every_certificate_names_its_decision_and_its_reservation_came_first(site: Site) -> None:
    for device in site.of("healthy")[:3]:
        enrol(site, device)
    with site.store._engine.connect() as connection:
        rows = connection.execute(text("SELECT decision_id, reserved_at, state FROM certificate")).all()
        kept = {row[0] for row in connection.execute(text("SELECT decision_id FROM decision"))}
    assert len(rows) == 3
    assert all(bytes(row[0]) in {bytes(one) for one in kept} and row[2] == "issued" for row in rows)


def test_unchanged_check_ins_keep_one_state_row_and_no_history(site: Site) -> None:
    """DESIGN section 12: history is written on change."""
    device = healthy(site)
    nonce = enrol(site, device)
    nonce = next_nonce(asyncio.run(site.check_in(device, nonce)))
    kept, intervals = count(site, "decision"), count(site, "verdict")
    for _ in range(3):
        nonce = next_nonce(asyncio.run(site.check_in(device, nonce)))
    assert (count(site, "decision"), count(site, "verdict")) == (kept, intervals)


def test_facts_of_equal_devices_are_stored_once(site: Site) -> None:
    alike = [device for device in site.of("healthy") if device.planned.model == "sn-40"]
    places = {(device.planned.site, device.planned.zone, str(device.planned.release)) for device in alike}
    for device in alike:
        enrol(site, device)
    assert count(site, "document", "kind = 'facts'") <= len(places)


def test_replay_of_every_stored_decision_gives_identical_bytes(site: Site) -> None:
    """DESIGN section 1: decide(bundle, facts, prior, now) gives the same bytes."""
    for device in [*site.of("healthy")[:4], *site.of("tampered"), *site.of("shared-key")]:
        nonce = enrol(site, device)
        site.clock.forward(timedelta(minutes=5))
        asyncio.run(site.check_in(device, nonce))
    site.clock.forward(timedelta(days=3))
    site.services.sweep.run()
    report = site.services.audit.replay()
    assert report.checked > 14
    assert report.differences == ()


def test_replay_finds_a_changed_byte(site: Site) -> None:
    device = healthy(site)
    enrol(site, device)
    with site.store._engines.write.begin() as connection:
        connection.execute(text("UPDATE decision SET decided_at = decided_at + 1"))
    assert [found.reason for found in site.services.audit.replay().differences] == ["decision.differs"]


def test_log_indexes_have_no_gap_and_the_head_counts_them(site: Site) -> None:
    """RFC 6962 section 3: a log is an append-only sequence."""
    for device in site.of("healthy")[:3]:
        enrol(site, device)
    with site.store._engine.connect() as connection:
        indexes = [row[0] for row in connection.execute(text("SELECT log_index FROM log_leaf ORDER BY log_index"))]
        head = connection.execute(text("SELECT size FROM log_head")).scalar_one()
    assert indexes == list(range(head))
