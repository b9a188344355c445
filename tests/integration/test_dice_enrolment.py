"""A DICE device enrols: its vendor's CA certified its key, and nobody else's chain stands in for it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from policyengine.adapters.device_client import Answer, Connection
from policyengine.attestation.anchors import thumbprint
from policyengine.attestation.dice.appraisal import MEDIA_TYPE
from policyengine.language.bundle import encode_file
from policyengine.model.challenge import bound_nonce
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import ConflictError, InvalidRequestError, RefusedError
from policyengine.simulation import dice
from tests.integration.real_site import BUNDLE_TYPE, Running, expect, running
from tests.integration.tpm_site import plain
from tests.parity.presented import RELEASED, TAMPERED, DiceDevice, Evidence, Firmware
from tests.parity.site import (
    MODEL,
    OPERATIONAL,
    VENDOR,
    body_of,
    bundle_file,
    certificate_request,
    check_in,
    enrol,
    parity_site,
    send,
    spki_of,
)
from tests.support.site import Site

SENSOR, OTHER = DiceDevice("edge-dice", b"\x51" * 32), DiceDevice("edge-two", b"\x52" * 32)
FOREIGN_CA = ec.derive_private_key(0xBAD, ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class BelowAnotherCa(DiceDevice):
    """The same device, certified by somebody who calls himself its vendor."""

    def layers(self, firmware: Firmware) -> dice.DiceDevice:
        return dice.with_plan(DiceDevice.layers(self, firmware), 0, key=FOREIGN_CA)


@dataclass(frozen=True, slots=True)
class WithoutUeid(DiceDevice):
    """A device whose vendor's CA gives it no name: its key is announced."""

    def layers(self, firmware: Firmware) -> dice.DiceDevice:
        made = DiceDevice.layers(self, firmware)
        return dice.with_plan(made, 1, extensions=())

    @property
    def serial(self) -> str:
        return thumbprint(self.layers(RELEASED).plans[2].key.public_key())


@dataclass(frozen=True, slots=True)
class UeidOfItsOwnMaking(DiceDevice):
    """A device whose first layer writes another's UEID into the certificate it makes of the next."""

    def layers(self, firmware: Firmware) -> dice.DiceDevice:
        made = dice.with_plan(DiceDevice.layers(self, firmware), 1, extensions=())
        claimed = DiceDevice.layers(SENSOR, firmware).plans[1].extensions
        return dice.with_plan(made, 2, extensions=(*made.plans[2].extensions, *claimed))


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = parity_site(database, SENSOR, OTHER)
    yield made
    made.store.close()


def refusal(site: Site, device: DiceDevice, **members: object) -> tuple[str, object]:
    with pytest.raises((RefusedError, ConflictError)) as caught:
        enrol(site, device, **members)
    return "conflict" if isinstance(caught.value, ConflictError) else "refused", caught.value.fields.get("check")


def test_a_device_announced_by_its_ueid_enrols_by_its_chain_and_gets_a_certificate(site: Site) -> None:
    """TCG DICE Attestation Architecture section 6.1.4: the vendor's CA put the UEID beside the device's key."""
    reply = enrol(site, SENSOR)
    identity = site.services.devices.facts(SYSTEM, SENSOR.id)["facts"]["identity"]
    key = thumbprint(SENSOR.layers(RELEASED).device_key.public_key())
    assert (reply["tier"], "certificate" in reply) == ("full", True)
    assert identity == {"kind": "dice", "key_thumbprint": key, "anchor": "CN=acme root", "verified": True}


def test_a_device_without_a_name_is_announced_by_its_key(database: str) -> None:
    device = WithoutUeid("edge-dice", b"\x53" * 32)
    site = parity_site(database, device)
    assert enrol(site, device)["tier"] == "full"
    site.store.close()


def test_a_device_whose_key_nobody_knew_enrols_with_a_token(site: Site) -> None:
    stranger = WithoutUeid(SENSOR.id, b"\x54" * 32)
    token = site.services.devices.create_token(SYSTEM, SENSOR.id, lifetime=timedelta(days=1))
    reply = enrol(site, stranger, token=token.token)
    assert reply["tier"] == "full"
    assert site.services.devices.facts(SYSTEM, SENSOR.id)["facts"]["identity"]["kind"] == "dice"


def test_a_chain_below_a_ca_that_nobody_named_is_refused(site: Site) -> None:
    """Of the vendor's name, but not of its key."""
    assert refusal(site, BelowAnotherCa(SENSOR.id, SENSOR.secret)) == ("refused", "dice.signature")


def test_a_device_that_nobody_announced_is_refused(site: Site) -> None:
    assert refusal(site, DiceDevice("edge-nine", b"\x59" * 32)) == ("refused", "identity.unannounced")


def test_a_name_that_the_device_wrote_itself_is_not_believed(site: Site) -> None:
    """Only what the anchor certified names a device: layers below are the device's own word."""
    assert refusal(site, UeidOfItsOwnMaking("edge-nine", b"\x5a" * 32)) == ("refused", "identity.unannounced")


def test_a_request_for_a_key_that_the_chain_did_not_sign_over_gets_nothing(site: Site) -> None:
    stray = certificate_request(ec.derive_private_key(0x57, ec.SECP256R1()))
    assert refusal(site, SENSOR, csr=stray) == ("refused", "binding.csr-key")


def test_another_key_does_not_take_over_the_name_of_an_enrolled_device(site: Site) -> None:
    """Certified by the same CA, with the same UEID: still another key (409)."""
    enrol(site, SENSOR)
    assert refusal(site, SameUeid(SENSOR.id, b"\x58" * 32)) == ("conflict", "identity.conflict")


@dataclass(frozen=True, slots=True)
class SameUeid(DiceDevice):
    """Another device that was given the UEID of SENSOR."""

    @property
    def ueid(self) -> bytes:
        return SENSOR.ueid


def test_another_devices_chain_does_not_speak_for_an_enrolled_one(site: Site) -> None:
    """Believed in itself, below the same CA and over the right challenge, and of another device."""
    enrol(site, SENSOR)
    with pytest.raises(ConflictError) as caught:
        check_in(site, replace(OTHER, id=SENSOR.id))
    assert caught.value.fields["check"] == "identity.conflict"


def test_another_devices_chain_does_not_enrol_the_device_of_the_nonce(site: Site) -> None:
    nonce = site.services.challenges.issue(SENSOR.id).nonce
    with pytest.raises(ConflictError) as caught:
        send(site, body_of(nonce, OTHER.evidence(nonce, RELEASED)))
    assert caught.value.fields["check"] == "registry.conflict"


def test_refused_evidence_changes_nothing(site: Site) -> None:
    enrol(site, SENSOR)
    before = site.services.devices.show(SYSTEM, SENSOR.id)
    with pytest.raises(ConflictError):
        check_in(site, replace(OTHER, id=SENSOR.id))
    assert site.services.devices.show(SYSTEM, SENSOR.id) == before


def test_two_chains_in_one_check_in_are_one_too_many(site: Site) -> None:
    nonce = site.services.challenges.issue(None).nonce
    twice = [SENSOR.evidence(nonce, RELEASED), OTHER.evidence(nonce, RELEASED)]
    with pytest.raises(InvalidRequestError, match="more than one DICE chain"):
        send(site, body_of(nonce, *twice))


def test_other_firmware_is_another_last_key_and_the_same_device(site: Site) -> None:
    """TCG DICE Attestation Architecture section 4: what is pinned outlives updates."""
    enrol(site, SENSOR)
    update = replace(RELEASED, app=b"application 1.2.4")
    assert check_in(site, SENSOR, update)["tier"] == "quarantine"  # nobody vouches for it yet
    assert check_in(site, SENSOR)["tier"] == "full"


def test_a_chain_does_not_stand_in_for_a_device_with_another_key(site: Site) -> None:
    """A device that enrolled by another key sends a good chain of its model: 409."""
    token = site.services.devices.create_token(SYSTEM, OTHER.id, lifetime=timedelta(days=1))
    enrol(site, WithoutUeid(OTHER.id, b"\x5b" * 32), token=token.token)
    with pytest.raises(ConflictError) as caught:
        check_in(site, OTHER)
    assert caught.value.fields["check"] == "identity.conflict"


# Over HTTP: a served process and the documented requests.


@pytest.fixture(scope="module")
def wire() -> Iterator[Connection]:
    with tempfile.TemporaryDirectory(prefix="dice") as name, running(Path(name) / "data") as server:
        _publish(server)
        connection = server.connection()
        yield connection
        connection.close()


def _publish(server: Running) -> None:
    file = bundle_file()
    people = server.connection(token=server.token)
    expect(people.upload("/v1/bundles", encode_file(file), BUNDLE_TYPE), 201)
    expect(people.post(f"/v1/bundles/{file.digest}/activate", {"expected_generation": None}), 200)
    devices = [{"id": each.id, "vendor": VENDOR, "model": MODEL, "serial": each.serial} for each in (SENSOR, OTHER)]
    expect(people.post("/v1/devices", {"devices": devices}), 201)
    people.close()


def _nonce(wire: Connection, device_id: str | None = None) -> bytes:
    asked = {"device_id": device_id} if device_id else {}
    return plain(expect(wire.post("/v1/challenges", asked), 200).document["nonce"])


def _send(wire: Connection, nonce: bytes, *evidence: Evidence, **members: object) -> Answer:
    return wire.post("/v1/checkins", body_of(nonce, *evidence) | members)


def test_a_sensor_enrols_over_http_and_lives_on_with_its_chain_alone(wire: Connection) -> None:
    nonce = _nonce(wire)
    evidence = SENSOR.evidence(bound_nonce(nonce, spki_of(OPERATIONAL)), RELEASED)
    enrolled = expect(_send(wire, nonce, evidence, csr=certificate_request()), 200).document
    certificate = x509.load_der_x509_certificate(plain(enrolled["certificate"]))
    assert (enrolled["tier"], certificate.subject.rfc4514_string()) == ("full", f"CN={SENSOR.id}")
    following = _nonce(wire, SENSOR.id)
    later = expect(_send(wire, following, SENSOR.evidence(following, TAMPERED)), 200).document
    assert later["tier"] == "quarantine"


def test_a_copied_chain_is_refused_over_http_by_its_check(wire: Connection) -> None:
    """RFC 9334 section 10.2: without the last layer's key a chain is a picture of a device."""
    nonce = _nonce(wire)
    layers = OTHER.layers(RELEASED)
    forged = dice.make_dice_evidence(FOREIGN_CA, layers.chain(), nonce)
    answer = _send(wire, nonce, (MEDIA_TYPE, forged))
    assert (answer.status, answer.document["check"]) == (403, "dice.possession")
    assert answer.document["documentation"] == "docs/evidence-dice.md#checks"
    assert answer.document["expected"]
    assert answer.document["seen"]


def test_evidence_that_is_none_is_the_devices_mistake_and_not_ours(wire: Connection) -> None:
    """Bytes that are no DICE evidence are answered 400 with the code of what is wrong, never 500."""
    nonce = _nonce(wire)
    evidence = dice.make_dice_evidence(FOREIGN_CA, [b"no certificate"], nonce)
    answer = _send(wire, nonce, (MEDIA_TYPE, evidence))
    assert (answer.status, answer.document["code"]) == (400, "dice.certificate")
