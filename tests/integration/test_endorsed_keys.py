"""A device enrols by the key that its vendor's signed CoRIM lists for it (draft-ietf-rats-corim section 5.1.10)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from policyengine.adapters.clock import SystemClock
from policyengine.adapters.device_client import Connection
from policyengine.attestation.anchors import thumbprint
from policyengine.language.bundle import digest_of_bundle, encode_file
from policyengine.language.diagnostics import errors
from policyengine.model.challenge import bound_nonce
from policyengine.model.endorsements import ReferenceValues
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import ConflictError, RefusedError
from policyengine.simulation import tpm, tpm_log
from tests.integration.endorsed_site import (
    GATEWAY,
    IMPLEMENTATION,
    MODULE,
    OTHER,
    SENSOR,
    SERVER,
    STRANGER,
    WEB,
    Certified,
    Gateway,
    Layered,
    Module,
    Sensor,
    batch,
    bundle_file,
    compiled,
    endorsed_site,
    serial_of,
    triple,
)
from tests.integration.real_site import BUNDLE_TYPE, expect, running
from tests.integration.tpm_site import plain
from tests.parity.presented import RELEASED, TAMPERED, TPM_TYPE, Presented, measured_boot
from tests.parity.site import (
    MODEL,
    OPERATIONAL,
    VENDOR,
    body_of,
    certificate_request,
    check_in,
    enrol,
    send,
    spki_of,
)
from tests.support.site import START, Site
from tests.unit.attestation import tpm_device

KEYS = batch(
    triple(SENSOR.instance, SENSOR.key, class_id=IMPLEMENTATION),
    triple(MODULE.instance, MODULE.key),
    triple(OTHER.instance, OTHER.key),
    triple(WEB.instance, WEB.key),
    triple(SERVER.instance, SERVER.key, class_id=IMPLEMENTATION),
)
AKS = batch(triple(GATEWAY.instance, GATEWAY.key), tag_id="acme.aks")
CLASS = f'["{"00" * 32}"]'
WAITING = Sensor("edge-nine", "", ec.derive_private_key(0xE9, ec.SECP256R1()))
STRANGE = Sensor("edge-psa", "", ec.derive_private_key(0xEE, ec.SECP256R1()))


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/site.db"  # what is compared here is no store's business


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path_factory.mktemp('endorsed')}/site.db"
    made = endorsed_site(
        url, compiled(KEYS, quotes=AKS, endorses=CLASS), SENSOR, MODULE, GATEWAY, OTHER, WAITING, WEB, SERVER
    )
    yield made
    made.store.close()


def refusal(site: Site, device: Presented, **members: object) -> object:
    with pytest.raises((RefusedError, ConflictError)) as caught:
        enrol(site, device, **members)
    return caught.value.fields.get("check")


def refused_with(database: str, content: bytes, device: Presented = SENSOR, **given: str) -> object:
    made = endorsed_site(database, compiled(content, **given), SENSOR, OTHER, SERVER)
    try:
        return refusal(made, device)
    finally:
        made.store.close()


@pytest.mark.parametrize(
    ("device", "kind", "listed"),
    [
        (SENSOR, "iak", "acme.keys"),
        (MODULE, "iak", "acme.keys"),
        (GATEWAY, "ak", "acme.aks"),
        (WEB, "iak", "acme.keys"),
        (SERVER, "iak", "acme.keys"),
    ],
)
def test_a_device_whose_key_the_vendor_lists_enrols_without_a_certificate_from_the_factory(
    site: Site, device: Presented, kind: str, listed: str
) -> None:
    reply = enrol(site, device)
    facts = site.services.devices.facts(SYSTEM, device.id)["facts"]
    said = {"kind": kind, "key_thumbprint": thumbprint(device.key.public_key()), "verified": True}  # type: ignore[attr-defined]
    assert ("certificate" in reply, facts["identity"]) == (True, said | {"anchor": f"vendor-acme {listed}"})


def test_an_enrolled_device_lives_on_with_its_evidence_alone(database: str) -> None:
    site = endorsed_site(database, compiled(KEYS, endorses=CLASS), SENSOR)
    enrol(site, SENSOR)
    assert [check_in(site, SENSOR, each)["tier"] for each in (RELEASED, TAMPERED)] == ["full", "quarantine"]
    site.store.close()


def test_a_dice_device_enrols_by_the_key_its_chain_stands_below(database: str) -> None:
    """draft-ietf-rats-corim section 5.1.9: an identity triple; no CA of the vendor is a trust anchor for it."""
    device = Layered("edge-dice", b"\x61" * 32)
    content = batch(identity=[triple(device.ueid, device.key)])
    site = endorsed_site(database, compiled(content), device)
    enrol(site, device)
    identity = site.services.devices.facts(SYSTEM, device.id)["facts"]["identity"]
    assert (identity["kind"], identity["anchor"]) == ("dice", "vendor-acme acme.keys")
    site.store.close()


def test_a_listed_tpm_may_show_its_endorsement_key_too(database: str) -> None:
    """TCG EK Credential Profile section 3.2: the chain ends at a TPM vendor's CA and says whose TPM it is."""
    site = endorsed_site(database, compiled(quotes=AKS), Certified(GATEWAY.id))
    enrol(site, Certified(GATEWAY.id))
    facts = site.services.devices.facts(SYSTEM, GATEWAY.id)["facts"]
    assert (facts["identity"]["kind"], "manufacturer" in facts["tpm"]) == ("ak", True)
    site.store.close()


def test_a_token_names_a_device_that_was_announced_by_another_serial_number(database: str) -> None:
    site = endorsed_site(database, compiled(KEYS, endorses=CLASS), replace_serial())
    token = site.services.devices.create_token(SYSTEM, SENSOR.id, lifetime=timedelta(days=1))
    assert "certificate" in enrol(site, SENSOR, token=token.token)
    site.store.close()


def replace_serial() -> Presented:
    """Return a device with the id of SENSOR and the serial number of a sticker."""
    return Layered(SENSOR.id, b"\x62" * 32)


def test_a_key_that_nobody_lists_proves_nothing(site: Site) -> None:
    assert refusal(site, STRANGE) == "identity.unproven"


def test_a_key_listed_for_another_device_does_not_speak_for_this_one(site: Site) -> None:
    """RFC 9783 section 4.2.1: the instance id finds the key. SENSOR's is in the token, OTHER's key signed it."""
    assert refusal(site, Borrowing(OTHER.id, "", OTHER.key)) == "endorsement.key"


class Borrowing(Sensor):
    """A device that says it is SENSOR."""

    @property
    def instance(self) -> bytes:
        return SENSOR.instance


def test_a_listed_device_does_not_enrol_as_the_device_of_the_nonce(site: Site) -> None:
    nonce = site.services.challenges.issue(WAITING.id).nonce
    with pytest.raises(ConflictError) as caught:
        send(site, body_of(nonce, OTHER.evidence(nonce, RELEASED)))
    assert caught.value.fields["check"] == "registry.conflict"


def test_a_request_for_a_key_that_the_evidence_is_not_over_gets_nothing(site: Site) -> None:
    stray = certificate_request(ec.derive_private_key(0x57, ec.SECP256R1()))
    assert refusal(site, OTHER, csr=stray) == "binding.csr-key"


@pytest.mark.parametrize("device", [SENSOR, SERVER], ids=["PSA", "CCA"])
def test_a_device_of_another_implementation_than_its_corim_says_is_refused(database: str, device: Sensor) -> None:
    """RFC 9783 section 4.2.2 and its like for CCA platforms: the class id of the triple is an implementation id."""
    other = "11" * 32
    content = batch(triple(device.instance, device.key, class_id=cbor2.CBORTag(560, bytes.fromhex(other))))
    assert refused_with(database, content, device, endorses=f'["{other}"]') == "endorsement.class"


def test_what_a_realm_and_its_platform_say_become_attested_facts(site: Site) -> None:
    """draft-ffm-rats-cca-token-03 sections 4.5.2, 4.6 and 4.8: the platform's state, then the realm's measurements."""
    enrol(site, SERVER)
    facts = site.services.devices.facts(SYSTEM, SERVER.id)["facts"]
    found = [(each["name"], each["match"]) for each in facts["software"]]
    assert found[:2] == [("boot", "endorsed"), ("app", "endorsed")]
    assert [name for name, _ in found[2:]] == ["realm", "rem1"]
    assert (facts["boot"]["lifecycle"], facts["evidence"]["format"]) == ("secured", "cca")


def test_a_withdrawn_key_enrols_nobody(database: str) -> None:
    assert refused_with(database, KEYS, endorses=CLASS, until="2026-11-23T11:00:00Z") == "endorsement.withdrawn"


def test_a_key_ends_with_its_corim(database: str) -> None:
    """draft-ietf-rats-corim section 7.3: good when the bundle was built, ended when the device came."""
    content = batch(triple(SENSOR.instance, SENSOR.key), not_after=START + timedelta(minutes=1))
    site = endorsed_site(database, compiled(content), SENSOR)
    site.clock.forward(timedelta(minutes=2))
    assert refusal(site, SENSOR) == "endorsement.expired"
    site.store.close()


def test_a_key_of_two_devices_proves_neither(database: str) -> None:
    """Also where a bundle holds it all the same: one compiled elsewhere, or merged from two."""
    twice = [_bundle_keys(batch(triple(each, SENSOR.key))) for each in (SENSOR.instance, OTHER.instance)]
    compilation = compiled(batch(triple(SENSOR.instance, SENSOR.key)))
    assert compilation.bundle is not None
    bundle = replace(compilation.bundle, reference_values=tuple(twice))
    site = endorsed_site(database, replace(compilation, bundle=bundle, digest=digest_of_bundle(bundle)), SENSOR)
    assert refusal(site, SENSOR) == "endorsement.key-shared"
    site.store.close()


def _bundle_keys(content: bytes) -> ReferenceValues:
    bundle = compiled(content).bundle
    assert bundle is not None
    return next(values for values in bundle.reference_values if values.attest_keys)


def test_a_key_signs_no_evidence_where_the_corim_lists_it_as_an_identity(database: str) -> None:
    """draft-ietf-rats-corim section 5.1.9: an identity triple says who, not that what the key signs is measured."""
    assert refused_with(database, batch(identity=[triple(SENSOR.instance, SENSOR.key)])) == "identity.unproven"


def test_a_quote_by_a_key_that_no_document_says_is_in_a_tpm_is_refused(database: str) -> None:
    """TPM 2.0 Part 1, Restricted Signing Keys: a key in software signs a forged quote as well."""
    site = endorsed_site(database, compiled(batch(triple(GATEWAY.instance, GATEWAY.key))), GATEWAY)
    assert refusal(site, GATEWAY) == "binding.ak-unproven"
    site.store.close()


def wrapped_quote(device: Presented, challenge: bytes) -> tuple[str, bytes]:
    """Return a quote that the software of `device` made of released firmware with its own key, in a CMW."""
    values = {"sha256": tpm_log.pcrs(measured_boot(RELEASED))}
    forging = replace(tpm_device.AK, private=device.key)  # type: ignore[attr-defined]
    forged = tpm.make_tpm_evidence(tpm.tpm_evidence(forging, nonce=challenge, values=values))
    return "application/cmw+cbor", cbor2.dumps([TPM_TYPE, forged])


def test_a_quote_in_a_wrapper_is_held_to_what_a_bare_one_is(database: str) -> None:
    """RFC 9999: a wrapper has its own media type, so what is in it shows only once it is judged."""
    site = endorsed_site(database, compiled(KEYS, endorses=CLASS), SENSOR)
    nonce = site.services.challenges.issue(None).nonce
    with pytest.raises(RefusedError) as first:
        send(site, body_of(nonce, SENSOR.evidence(nonce, RELEASED), wrapped_quote(SENSOR, nonce)))
    enrol(site, SENSOR)
    nonce = site.services.challenges.issue(SENSOR.id).nonce
    with pytest.raises(RefusedError) as later:
        send(site, body_of(nonce, wrapped_quote(SENSOR, nonce)))
    assert [each.value.fields["check"] for each in (first, later)] == ["binding.ak-unproven"] * 2
    site.store.close()


def test_a_token_that_a_listed_attestation_key_signed_is_refused(database: str) -> None:
    """TPM 2.0 Part 1, Restricted Signing Keys: any program on the device can have the AK sign it."""
    device = Module("edge-eat", "AC-7", GATEWAY.key)
    site = endorsed_site(database, compiled(quotes=batch(triple(device.instance, device.key))), device)
    assert refusal(site, device) == "binding.ak-evidence"
    site.store.close()


def test_a_key_that_one_of_two_documents_says_is_a_tpms_signs_no_token(database: str) -> None:
    """Whichever comes first: what may be a TPM's key is held to what such keys may sign, and its quotes count."""
    device = Module("edge-eat", "AC-7", GATEWAY.key)
    listed, again = (batch(triple(device.instance, device.key), tag_id=each) for each in ("acme.keys", "acme.aks"))
    site = endorsed_site(database, compiled(listed, quotes=again), device)
    assert refusal(site, device) == "binding.ak-evidence"
    quoting = Gateway(device.id, device.instance.hex())
    assert "certificate" in enrol(site, quoting)
    site.store.close()


def test_a_corim_for_models_that_the_fleet_has_no_more_enrols_nobody(database: str) -> None:
    compilation = compiled(KEYS, endorses=CLASS)
    assert compilation.bundle is not None
    values = tuple(replace(each, models=("edge-gone",)) for each in compilation.bundle.reference_values)
    bundle = replace(compilation.bundle, reference_values=values)
    site = endorsed_site(database, replace(compilation, bundle=bundle, digest=digest_of_bundle(bundle)), SENSOR)
    assert refusal(site, SENSOR) == "identity.not-entitled"
    site.store.close()


def test_a_device_of_another_model_than_the_corim_is_for_is_refused(database: str) -> None:
    compilation = compiled(KEYS, endorses=CLASS)
    assert compilation.bundle is not None
    values = tuple(replace(each, models=("edge-8",)) for each in compilation.bundle.reference_values)
    models = compilation.bundle.fleet.models
    fleet = replace(compilation.bundle.fleet, models=models | {"edge-8": replace(models[MODEL], name="edge-8")})
    bundle = replace(compilation.bundle, reference_values=values, fleet=fleet)
    site = endorsed_site(database, replace(compilation, bundle=bundle, digest=digest_of_bundle(bundle)), SENSOR)
    assert refusal(site, SENSOR) == "identity.not-entitled"
    site.store.close()


def test_a_vendor_proposes_keys_over_the_api_and_gets_the_document_to_merge(site: Site) -> None:
    """docs/adr/0019: nothing is endorsed by a request."""
    found = site.services.releases.candidate(SYSTEM, MODEL, version="batch-9", content=KEYS)
    document = found.files["reference-values/vendor-acme/edge-7-batch-9.yaml"].decode()
    assert document.endswith("  attest_keys:\n    - {corim: edge-7-batch-9.corim}\n")


# What does not even become part of a bundle.


def codes(*batches: bytes, **given: str) -> list[str]:
    return [each.code for each in errors(compiled(*batches, **given).diagnostics)]


def test_a_corim_of_another_signer_is_not_compiled() -> None:
    assert codes(batch(triple(SENSOR.instance, SENSOR.key), signer=STRANGER)) == ["reference.corim-refused"]


def test_a_corim_about_another_vendors_devices_is_not_compiled() -> None:
    assert codes(batch(triple(SENSOR.instance, SENSOR.key, vendor="vendor-other"))) == ["reference.corim-scope"]


def test_a_corim_that_has_ended_is_not_compiled() -> None:
    content = batch(triple(SENSOR.instance, SENSOR.key), not_after=START - timedelta(days=1))
    assert codes(content) == ["reference.corim-refused"]


def test_a_key_listed_for_two_devices_is_not_compiled() -> None:
    shared = [triple(SENSOR.instance, SENSOR.key), triple(OTHER.instance, SENSOR.key)]
    apart = [batch(each, tag_id=f"acme.keys-{place}") for place, each in enumerate(shared)]
    assert codes(batch(*shared)) == codes(*apart) == ["reference.key-shared"]


def test_a_corim_without_a_key_of_one_device_is_not_a_batch_of_keys() -> None:
    """A key of a class names no device."""
    of_class = [{0: {1: VENDOR, 2: MODEL}}, triple(SENSOR.instance, SENSOR.key)[1]]
    assert codes(batch(of_class)) == ["reference.corim-refused"]


def test_a_corim_of_keys_alone_is_no_release_and_the_message_says_where_it_belongs() -> None:
    found = errors(
        compiled(KEYS, endorses=CLASS, entry="  releases:\n    - {version: 1.0.0, corim: batch-0.corim}\n").diagnostics
    )
    assert [(each.code, "`attest_keys`" in each.help) for each in found] == [("reference.corim-refused", True)]


def test_a_triple_with_conditions_lists_nothing() -> None:
    """draft-ietf-rats-corim section 5.1.10: `mkey` says that the key is of a part of the device."""
    assert codes(batch([*triple(SENSOR.instance, SENSOR.key), {0: "bmc"}])) == ["reference.corim-refused"]


def test_a_document_that_vouches_for_nothing_is_reported() -> None:
    assert codes() == ["reference.empty"]


# Over HTTP: a served process and the documented requests.


@pytest.fixture(scope="module")
def wire() -> Iterator[Connection]:
    now = SystemClock().now()
    file = bundle_file(compiled(KEYS, endorses=CLASS, now=now))
    with tempfile.TemporaryDirectory(prefix="keys") as name, running(Path(name) / "data") as server:
        people = server.connection(token=server.token)
        expect(people.upload("/v1/bundles", encode_file(file), BUNDLE_TYPE), 201)
        expect(people.post(f"/v1/bundles/{file.digest}/activate", {"expected_generation": None}), 200)
        devices = [
            {"id": each.id, "vendor": VENDOR, "model": MODEL, "serial": serial_of(each)} for each in (SENSOR, OTHER)
        ]
        expect(people.post("/v1/devices", {"devices": devices}), 201)
        people.close()
        connection = server.connection()
        yield connection
        connection.close()


def test_a_sensor_enrols_over_http_by_the_key_its_vendor_lists(wire: Connection) -> None:
    nonce = plain(expect(wire.post("/v1/challenges", {}), 200).document["nonce"])
    evidence = SENSOR.evidence(bound_nonce(nonce, spki_of(OPERATIONAL)), RELEASED)
    reply = expect(wire.post("/v1/checkins", body_of(nonce, evidence) | {"csr": certificate_request()}), 200).document
    certificate = x509.load_der_x509_certificate(plain(reply["certificate"]))
    assert (reply["tier"], certificate.subject.rfc4514_string()) == ("full", f"CN={SENSOR.id}")


def test_a_refusal_over_http_names_its_check_and_the_page(wire: Connection) -> None:
    nonce = plain(expect(wire.post("/v1/challenges", {}), 200).document["nonce"])
    answer = wire.post("/v1/checkins", body_of(nonce, Borrowing(OTHER.id, "", OTHER.key).evidence(nonce, RELEASED)))
    assert (answer.status, answer.document["check"]) == (403, "endorsement.key")
    assert answer.document["documentation"] == "docs/device.md#what-a-refusal-names"
