"""Gates over a real store: what opens them, what shuts them, and tokens that others check without us."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from pki.revocation import Reason
from policyengine.attestation.jwk import JwkSet, read_jwk_set
from policyengine.attestation.posture import PostureError, ProvenPosture, read_posture
from policyengine.model.base64url import base64url
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, device_id
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.checkins.checkin import CheckInReply
from policyengine.services.errors import ForbiddenError, InvalidRequestError, RefusedError
from policyengine.services.gates.feed import Moves
from policyengine.services.gates.gate import Answer, Question
from policyengine.services.ports import PageRequest
from policyengine.services.records import CertificateRecord
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, plain, put_in_force, ready_site

GATE = Principal(name="edge", role=PersonRole.GATE)


@pytest.fixture(scope="module")
def site(module_database: str) -> Iterator[Site]:
    """One site for all tests of an engine, whose clock only goes on; each test takes devices of its own."""
    made = ready_site(module_database, count=90)
    yield made
    made.store.close()


def fresh(site: Site) -> SimulatedDevice:
    """Return a healthy device that no test has used."""
    return next(device for device in site.of("healthy") if site.store.view(name_of(device)).state is None)  # type: ignore[union-attr]


def enrolled(site: Site) -> tuple[SimulatedDevice, CheckInReply]:
    device = fresh(site)
    return device, asyncio.run(site.enrol(device))


def name_of(device: SimulatedDevice) -> DeviceId:
    return device_id(device.planned.device_id)


def certificate_of(reply: CheckInReply) -> bytes:
    return plain(json.loads(reply.body)["certificate"])


def ask(site: Site, device: SimulatedDevice, purpose: str = "broker", asker: Principal = GATE) -> Answer:
    return asyncio.run(site.services.gate.ask(asker, Question(purpose=purpose, device_id=name_of(device))))


def show(site: Site, certificate: bytes, purpose: str = "broker", device: DeviceId | None = None) -> Answer:
    question = Question(purpose=purpose, device_id=device, certificate=certificate)
    return asyncio.run(site.services.gate.ask(GATE, question))


def newest(site: Site, device: SimulatedDevice) -> CertificateRecord:
    return site.services.certificates.list(SYSTEM, PageRequest(), device_id=name_of(device)).items[0]


def quarantine(site: Site, device: SimulatedDevice) -> None:
    site.services.devices.quarantine(SYSTEM, name_of(device), reason="seen scanning")


def test_healthy_device_passes(site: Site) -> None:
    device, _ = enrolled(site)
    assert ask(site, device).is_open


def test_certificate_of_a_healthy_device_passes(site: Site) -> None:
    device, reply = enrolled(site)
    assert show(site, certificate_of(reply)).device_id == name_of(device)


def test_quarantine_shuts_the_gate_at_once(site: Site) -> None:
    device, _ = enrolled(site)
    quarantine(site, device)
    assert ask(site, device).code == "gate.tier"


def test_release_opens_it_again(site: Site) -> None:
    device, _ = enrolled(site)
    quarantine(site, device)
    site.services.devices.release(SYSTEM, name_of(device), reason="was a test")
    assert ask(site, device).is_open


def test_quarantined_device_passes_for_what_the_fleet_lets_it(site: Site) -> None:
    """The certificate is on hold by the tier, and the tier is what the fleet's `gate` is about."""
    device, reply = enrolled(site)
    quarantine(site, device)
    assert show(site, certificate_of(reply), "update").is_open


def test_purpose_that_the_fleet_does_not_name_takes_full(site: Site) -> None:
    device, _ = enrolled(site)
    site.services.devices.quarantine(SYSTEM, name_of(device), reason="seen scanning", tier=Tier.LIMITED)
    assert [ask(site, device, purpose).is_open for purpose in ("network", "unheard-of")] == [True, False]


def test_certificate_on_hold_by_a_person_passes_nowhere(site: Site) -> None:
    device, reply = enrolled(site)
    certificate = newest(site, device)
    site.services.certificates.hold(SYSTEM, certificate.serial, reason="lost")
    assert show(site, certificate_of(reply), "update").code == "gate.certificate"


def test_device_whose_certificate_was_revoked_does_not_pass_by_its_name(site: Site) -> None:
    device, _ = enrolled(site)
    certificate = newest(site, device)
    site.services.certificates.revoke(SYSTEM, certificate.serial, reason=Reason.KEY_COMPROMISE)
    assert ask(site, device, "update").code == "gate.certificate"


def test_retired_device_does_not_pass(site: Site) -> None:
    device, _ = enrolled(site)
    site.services.devices.retire(SYSTEM, name_of(device), reason="scrapped")
    assert ask(site, device, "update").code == "gate.lifecycle"


def test_device_that_never_enrolled_does_not_pass(site: Site) -> None:
    assert ask(site, fresh(site), "update").code == "gate.lifecycle"


def test_certificate_with_a_changed_byte_is_foreign(site: Site) -> None:
    """The serial number alone is no proof: anybody can make a certificate with any serial."""
    _, reply = enrolled(site)
    shown = bytearray(certificate_of(reply))
    shown[-1] ^= 1
    assert show(site, bytes(shown)).code == "gate.foreign"


@pytest.mark.parametrize("shown", [b"", b"garbage", b"\x30\x82\xff\xff"])
def test_bytes_that_are_no_certificate_pass_nowhere(site: Site, shown: bytes) -> None:
    assert show(site, shown).code == "gate.unknown"


def test_certificate_of_another_device_is_no_pass_for_a_name(site: Site) -> None:
    _, reply = enrolled(site)
    other, _ = enrolled(site)
    assert show(site, certificate_of(reply), device=name_of(other)).code == "gate.unknown"


def test_certificate_has_ended_at_its_very_end(site: Site) -> None:
    device, reply = enrolled(site)
    certificate = newest(site, device)
    site.clock.time = certificate.not_after
    assert show(site, certificate_of(reply), "update").code in {"gate.expired", "gate.tier"}


def test_decision_whose_time_has_ended_is_made_again_before_the_gate_answers(site: Site) -> None:
    device, _ = enrolled(site)
    before = site.store.view(name_of(device)).state  # type: ignore[union-attr]
    site.clock.time = before.valid_until + timedelta(seconds=1)  # type: ignore[union-attr,operator]
    ask(site, device)
    after = site.store.view(name_of(device)).state  # type: ignore[union-attr]
    assert after.decided_at > before.decided_at  # type: ignore[union-attr]


def test_silent_device_whose_evidence_went_stale_does_not_pass(site: Site) -> None:
    device, _ = enrolled(site)
    for _ in range(2):  # what is unknown is held for some days from when it is first seen to be
        site.clock.forward(timedelta(days=8))
        ask(site, device)
    assert not ask(site, device).is_open


def test_foreign_device_answers_like_a_missing_one(site: Site) -> None:
    """Service ceilings section 7, line 32."""
    device, _ = enrolled(site)
    other_models = frozenset({"gw-200", "plc-9", "sn-40"}) - {device.planned.model}
    asker = Principal(name="acme", role=PersonRole.GATE, models=other_models)
    foreign, missing = (
        asyncio.run(site.services.gate.ask(asker, Question(purpose="broker", device_id=DeviceId(name))))
        for name in (device.planned.device_id, "nobody-1")
    )
    assert (foreign.code, foreign.reason, foreign.tier) == (missing.code, missing.reason, missing.tier)


@pytest.mark.parametrize("role", [PersonRole.AUDITOR, PersonRole.VENDOR, PersonRole.ENGINEERING])
def test_role_without_the_right_hears_nothing(site: Site, role: PersonRole) -> None:
    device = site.of("healthy")[0]
    with pytest.raises(ForbiddenError):
        ask(site, device, asker=Principal(name="x", role=role))


@pytest.mark.parametrize("purpose", ["", "Broker", "a b", "x" * 65, "$(id)"])
def test_what_is_no_purpose_is_refused(site: Site, purpose: str) -> None:
    with pytest.raises(InvalidRequestError):
        ask(site, site.of("healthy")[0], purpose)


# Posture tokens.


def posture(site: Site, device: SimulatedDevice, purpose: str = "update") -> bytes:
    question = Question(purpose=purpose, device_id=name_of(device))
    issued = asyncio.run(site.services.postures.issue(GATE, question, audience="updates.example"))
    return issued.token.encode()


def keys(site: Site) -> JwkSet:
    return read_jwk_set(json.dumps(site.services.results.jwks()).encode())


def proven(site: Site, token: bytes, **changed: str) -> ProvenPosture:
    asked = {"audience": "updates.example", "purpose": "update", **changed}
    return read_posture(token, keys=keys(site), now=site.clock.now(), **asked)


def test_posture_token_is_believed_by_its_audience(site: Site) -> None:
    device, _ = enrolled(site)
    assert proven(site, posture(site, device)).device_id == name_of(device)


def test_posture_token_is_bound_to_the_device_s_certificate(site: Site) -> None:
    """RFC 8705 section 3.1."""
    device, reply = enrolled(site)
    thumbprint = base64url(hashlib.sha256(certificate_of(reply)).digest())
    assert proven(site, posture(site, device)).certificate == thumbprint


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"audience": "others.example"}, "posture.audience"), ({"purpose": "network"}, "posture.purpose")],
)
def test_posture_token_for_somebody_or_something_else_is_refused(
    site: Site, changed: dict[str, str], code: str
) -> None:
    device, _ = enrolled(site)
    with pytest.raises(PostureError) as caught:
        proven(site, posture(site, device), **changed)
    assert caught.value.code == code


def test_posture_token_ends_after_five_minutes(site: Site) -> None:
    device, _ = enrolled(site)
    token = posture(site, device)
    site.clock.forward(timedelta(minutes=5))
    with pytest.raises(PostureError, match="has ended"):
        proven(site, token)


def test_attestation_result_is_no_posture_token(site: Site) -> None:
    """RFC 8725 section 3.11: the same key signs both."""
    _, reply = enrolled(site)
    with pytest.raises(PostureError) as caught:
        proven(site, json.loads(reply.body)["attestation_result"].encode())
    assert caught.value.code == "jose.typ"


def test_quarantined_device_gets_no_posture_token(site: Site) -> None:
    device, _ = enrolled(site)
    quarantine(site, device)
    with pytest.raises(RefusedError) as caught:
        posture(site, device, "broker")
    assert (caught.value.code, caught.value.fields["tier"]) == ("gate.tier", "quarantine")


# What enforcement points that hold sessions open must follow.


def moves(site: Site, after: int | None, purpose: str = "broker") -> Moves:
    return asyncio.run(site.services.gate_feed.moves(GATE, purpose, after=after))


def test_reader_without_a_place_must_look_at_everything(site: Site) -> None:
    assert moves(site, None).everything


def test_reader_from_another_log_must_look_at_everything(site: Site) -> None:
    assert moves(site, 10**6).everything


def test_quarantine_is_told_to_whoever_follows(site: Site) -> None:
    device, _ = enrolled(site)
    place = moves(site, None).next
    quarantine(site, device)
    told = moves(site, place)
    assert [(answer.device_id, answer.is_open) for answer in told.answers] == [(name_of(device), False)]


def test_nothing_new_moves_nothing(site: Site) -> None:
    enrolled(site)
    place = moves(site, None).next
    assert moves(site, place) == Moves(next=place, more=False, everything=False, answers=())


def test_activation_of_other_policies_moves_everything(site: Site) -> None:
    place = moves(site, None).next
    put_in_force(site)
    assert moves(site, place).everything


def test_walk_through_all_devices_tells_each_once(site: Site) -> None:
    device, _ = enrolled(site)
    page = asyncio.run(site.services.gate_feed.all(GATE, "broker", PageRequest(limit=500)))
    assert [answer.device_id for answer in page.items] == sorted(site.devices)
    assert name_of(device) in {answer.device_id for answer in page.items if answer.is_open}
