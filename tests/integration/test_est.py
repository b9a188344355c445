"""EST by curl and openssl against a running server over real TLS (RFC 7030): the policies decide, as at a check-in."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pki.keys import spki_of
from policyengine.adapters.demo_site import DemoSite
from policyengine.model.base64url import base64url
from policyengine.model.challenge import bound_nonce
from policyengine.simulation.csr_evidence import CHALLENGE_TYPE, bundle_of, with_evidence
from policyengine.simulation.device import (
    POP_TYPE,
    PSA_TYPE,
    SimulatedDevice,
    attested_request,
    certificate_request,
    check_in,
    enrolment,
    request_evidence,
)
from policyengine.simulation.plan import Scenario
from policyengine.simulation.pop import make_pop
from tests.integration.est_client import EstClient
from tests.integration.real_site import Running, expect, publish, running
from tests.support.site import plain

DEVICES = 28


class Fleet:
    """A server with the starter pack enforced, and devices that nobody has met yet."""

    def __init__(self, server: Running, devices: tuple[SimulatedDevice, ...]) -> None:
        self.server = server
        self.people = server.connection(token=server.token)
        self._fresh = iter(devices)

    def newcomer(self, folder: Path) -> tuple[SimulatedDevice, EstClient]:
        """Return a device nobody has met, and its client showing its IDevID."""
        device = next(self._fresh)
        client = EstClient(url=self.server.url, ca=self.server.data / "ca.pem", folder=folder)
        client.idevid(device)
        return device, client

    def attested(self, folder: Path) -> tuple[SimulatedDevice, EstClient]:
        """Return a device that has checked in with evidence and asked for nothing."""
        device, client = self.newcomer(folder)
        nonce = self.challenge()
        wire = self.server.connection()
        body = {**enrolment(device, nonce)}
        del body["csr"]
        body["evidence"] = unbound(device, nonce)
        expect(wire.post("/v1/checkins", body), 200)
        wire.close()
        return device, client

    def challenge(self, **of: str) -> bytes:
        """Return a nonce of the server's, for a device if `device_id` names one."""
        wire = self.server.connection()
        nonce = plain(str(expect(wire.post("/v1/challenges", of), 200).document["nonce"]))
        wire.close()
        return nonce

    def events(self, code: str) -> list[object]:
        """Return the security events of this code."""
        items = expect(self.people.get("/v1/security-events"), 200).document["items"]
        return [each for each in items if each["code"] == code]  # type: ignore[index, union-attr]

    def enrolled(self, folder: Path) -> tuple[SimulatedDevice, EstClient, x509.Certificate]:
        """Return a device with a certificate from EST, and its client showing that certificate."""
        device, client = self.attested(folder)
        answer = client.post("simpleenroll", client.request(f"/CN={device.planned.device_id}"))
        assert answer.status == 200, answer.body
        certificate = answer.certificates()[0]
        client.show([certificate], folder / "new.key")
        return device, client, certificate


def names_of(certificate: x509.Certificate) -> str:
    """Return the alternative names as openssl wants to be told them."""
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return ",".join(f"DNS:{name}" for name in san.get_values_for_type(x509.DNSName))


def unbound(device: SimulatedDevice, nonce: bytes) -> object:
    """Return evidence over the bare nonce: there is no certificate request to bind it to."""
    token = check_in(device, nonce)["evidence"]
    pop = {"type": POP_TYPE, "value": base64url(make_pop(device.identity_key, device.chain, nonce))}
    return [pop, *token]  # type: ignore[misc]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if shutil.which("curl") is None or shutil.which("openssl") is None:
        pytest.skip("curl or openssl is not installed")
    site = DemoSite(directory=tmp_path_factory.mktemp("site"))
    with running(site.data) as server:
        found = Fleet(server, publish(site, server, count=DEVICES))
        yield found
        found.people.close()


def test_cacerts_hold_the_chain_up_to_the_root(fleet: Fleet, tmp_path: Path) -> None:
    """RFC 7030 section 4.1.3, without any credential."""
    client = EstClient(url=fleet.server.url, ca=fleet.server.data / "ca.pem", folder=tmp_path)
    found = client.get("cacerts").certificates()
    assert {each.subject == each.issuer for each in found} == {True, False}


def test_a_genuine_device_without_evidence_is_told_to_come_back(fleet: Fleet, tmp_path: Path) -> None:
    """RFC 7030 section 4.2.3: 202 with Retry-After while evidence is pending."""
    device, client = fleet.newcomer(tmp_path)
    answer = client.post("simpleenroll", client.request(f"/CN={device.planned.device_id}"))
    assert answer.status == 202, answer.body
    assert "retry-after: 60" in answer.headers.lower()


def test_an_attested_device_gets_a_certificate_that_openssl_verifies(fleet: Fleet, tmp_path: Path) -> None:
    device, _, certificate = fleet.enrolled(tmp_path)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName)[0].startswith(f"{device.planned.device_id}.")
    lineage = expect(fleet.people.get(f"/v1/certificates?device={device.planned.device_id}"), 200).document["items"]
    assert [each["serial"] for each in lineage] == [f"{certificate.serial_number:x}"]


def test_a_subject_that_a_request_smuggles_in_never_reaches_a_certificate(fleet: Fleet, tmp_path: Path) -> None:
    """Service ceilings class 8: the certificate equals the profile, never the request."""
    _, client = fleet.attested(tmp_path)
    asked = client.request("/CN=admin/O=evil")
    certificate = client.post("simpleenroll", asked).certificates()[0]
    assert "evil" not in certificate.subject.rfc4514_string()


def test_a_renewal_keeps_subject_and_names_and_the_new_one_is_next_in_the_lineage(fleet: Fleet, tmp_path: Path) -> None:
    """RFC 7030 section 4.2.2."""
    _, client, first = fleet.enrolled(tmp_path)
    names = names_of(first)
    asked = client.request(f"/{first.subject.rfc4514_string()}", san=names, key="second.key")
    answer = client.post("simplereenroll", asked)
    assert answer.status == 200, answer.body
    second = answer.certificates()[0]
    assert (second.subject, second.serial_number != first.serial_number) == (first.subject, True)


def test_a_renewal_under_another_name_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    """RFC 7030 section 4.2.2: subject and alternative names must be the certificate's."""
    _, client, _ = fleet.enrolled(tmp_path)
    answer = client.post("simplereenroll", client.request("/CN=somebody-else", key="second.key"))
    assert answer.status == 403
    assert b"est.names" in answer.body


def test_who_renews_under_another_name_is_told_what_to_ask_for(fleet: Fleet, tmp_path: Path) -> None:
    """RFC 7030 section 4.2.2: a client's first request for a renewal often leaves the alternative names out."""
    _, client, first = fleet.enrolled(tmp_path)
    subject = first.subject.rfc4514_string()
    answer = client.post("simplereenroll", client.request(f"/{subject}", key="second.key"))
    wanted = names_of(first).replace("DNS:", "dns:")
    assert f"`{subject}, {wanted}`".encode() in answer.body


def test_the_older_of_two_certificates_renews_nothing(fleet: Fleet, tmp_path: Path) -> None:
    """Research: renewal only for the newest member of a lineage."""
    _, client, first = fleet.enrolled(tmp_path)
    names = names_of(first)
    subject = f"/{first.subject.rfc4514_string()}"
    assert client.post("simplereenroll", client.request(subject, san=names, key="second.key")).status == 200
    refused = client.post("simplereenroll", client.request(subject, san=names, key="third.key"))
    assert refused.status == 403
    assert b"certificate.superseded" in refused.body


def test_a_quarantined_device_is_refused_on_a_connection_that_still_works(fleet: Fleet, tmp_path: Path) -> None:
    """The state is looked up on every request, never taken from TLS."""
    device, client, first = fleet.enrolled(tmp_path)
    body = {"reason": "seen where it should not be"}
    expect(fleet.people.post(f"/v1/devices/{device.planned.device_id}/quarantine", body), 204)
    names = names_of(first)
    asked = client.request(f"/{first.subject.rfc4514_string()}", san=names, key="second.key")
    assert client.post("simplereenroll", asked).status == 403


def test_without_a_certificate_or_token_nobody_enrols(fleet: Fleet, tmp_path: Path) -> None:
    client = EstClient(url=fleet.server.url, ca=fleet.server.data / "ca.pem", folder=tmp_path)
    answer = client.post("simpleenroll", client.request("/CN=x"))
    assert answer.status == 401
    assert "www-authenticate: basic" in answer.headers.lower()


def lines(csr: bytes) -> bytes:
    return base64.encodebytes(csr)


def asking(device: SimulatedDevice, messages: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the device's request for its operational key with these messages as its evidence."""
    key = device.operational_key
    return lines(with_evidence(certificate_request(device, key), key, bundle_of(messages)))


def behaving(device: SimulatedDevice, scenario: Scenario) -> SimulatedDevice:
    return replace(device, planned=replace(device.planned, scenario=scenario))


def test_evidence_in_the_request_enrols_a_device_that_never_checked_in(fleet: Fleet, tmp_path: Path) -> None:
    """draft-ietf-lamps-csr-attestation-29 section 4.3: one request, evidence and all, and a certificate."""
    device, client = fleet.newcomer(tmp_path)
    answer = client.post("simpleenroll", lines(attested_request(device, fleet.challenge())))
    assert answer.status == 200, answer.body


def test_evidence_in_a_renewal_is_the_device_s_newest(fleet: Fleet, tmp_path: Path) -> None:
    """RFC 7030 section 4.2.2 with fresh evidence, under a challenge that was made for the device."""
    device, client, first = fleet.enrolled(tmp_path)
    asked = client.request(f"/{first.subject.rfc4514_string()}", san=names_of(first), key="second.key")
    key = load_pem_private_key((tmp_path / "second.key").read_bytes(), password=None)
    nonce = fleet.challenge(device_id=device.planned.device_id)
    messages = request_evidence(replace(device, operational_key=key), nonce)  # type: ignore[arg-type]
    renewal = with_evidence(base64.b64decode(asked), key, bundle_of(messages))  # type: ignore[arg-type]
    assert client.post("simplereenroll", lines(renewal)).status == 200


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("csr.ca", {"asks": "basicConstraints=critical,CA:TRUE"}),
        ("csr.names", {"san": "DNS:admin.devices.example"}),
    ],
)
def test_a_request_for_more_than_a_device_gets_is_refused_and_recorded(
    code: str, asked: dict[str, str], fleet: Fleet, tmp_path: Path
) -> None:
    """It says what to ask for instead, and the device still gets its certificate when it asks for that."""
    device, client = fleet.attested(tmp_path)
    subject = f"/CN={device.planned.device_id}"
    answer = client.post("simpleenroll", client.request(subject, **asked))  # type: ignore[arg-type]
    assert (answer.status, code.encode() in answer.body) == (403, True), answer.body
    assert fleet.events(code)
    assert client.post("simpleenroll", client.request(subject)).status == 200


def test_evidence_that_answers_no_challenge_of_ours_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    """Section 6.2 of the draft: evidence whose freshness cannot be determined."""
    device, client = fleet.newcomer(tmp_path)
    evidence = [item for item in request_evidence(device, fleet.challenge()) if item[0] != CHALLENGE_TYPE]
    answer = client.post("simpleenroll", asking(device, evidence))
    assert (answer.status, b'"csr.challenge"' in answer.body) == (403, True), answer.body
    assert fleet.events("csr.challenge")


def test_a_challenge_that_another_server_made_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    device, client = fleet.newcomer(tmp_path)
    answer = client.post("simpleenroll", lines(attested_request(device, bytes(48))))
    assert (answer.status, b'"nonce.foreign"' in answer.body) == (403, True), answer.body


def test_the_challenge_of_another_device_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    device, client = fleet.newcomer(tmp_path)
    answer = client.post("simpleenroll", lines(attested_request(device, fleet.challenge(device_id="gw200-9999"))))
    assert (answer.status, b'"nonce.foreign"' in answer.body) == (403, True), answer.body


def test_evidence_is_replayed_for_no_second_request(fleet: Fleet, tmp_path: Path) -> None:
    """RFC 9334 section 10.1: what was spent on one request proves nothing in another, for the same key or not."""
    device, client = fleet.newcomer(tmp_path)
    evidence = request_evidence(device, fleet.challenge())
    assert client.post("simpleenroll", asking(device, evidence)).status == 200
    answer = client.post("simpleenroll", asking(device, evidence))
    assert (answer.status, b'"nonce.spent"' in answer.body) == (403, True), answer.body


def test_a_challenge_spent_in_a_request_buys_no_check_in(fleet: Fleet, tmp_path: Path) -> None:
    """One floor for both protocols."""
    device, client = fleet.newcomer(tmp_path)
    nonce = fleet.challenge()
    assert client.post("simpleenroll", lines(attested_request(device, nonce))).status == 200
    wire = fleet.server.connection()
    answer = wire.post("/v1/checkins", check_in(device, nonce))
    wire.close()
    assert (answer.status, answer.document["code"]) == (403, "nonce.spent")


def test_what_the_evidence_in_a_request_says_is_recorded_as_attested(fleet: Fleet, tmp_path: Path) -> None:
    device, client = fleet.newcomer(tmp_path)
    client.post("simpleenroll", lines(attested_request(device, fleet.challenge())))
    facts = str(expect(fleet.people.get(f"/v1/devices/{device.planned.device_id}/facts"), 200).document)
    assert "attested" in facts


def test_evidence_for_another_key_than_the_request_s_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    """Section 6.1 of the draft: the CA is responsible for the binding between evidence and key."""
    device, client = fleet.newcomer(tmp_path)
    mismatched = attested_request(behaving(device, Scenario.FOREIGN_CSR), fleet.challenge())
    answer = client.post("simpleenroll", lines(mismatched))
    assert (answer.status, b'"binding.csr-key"' in answer.body) == (403, True), answer.body


def test_evidence_over_the_bare_challenge_is_for_no_key(fleet: Fleet, tmp_path: Path) -> None:
    """Anyone may take evidence over a bare nonce from the wire and put it beside a key of their own."""
    device, client = fleet.newcomer(tmp_path)
    nonce = fleet.challenge()
    bare = plain(str(check_in(device, nonce)["evidence"][0]["value"]))  # type: ignore[index]
    answer = client.post("simpleenroll", asking(device, [(CHALLENGE_TYPE, nonce), (PSA_TYPE, bare)]))
    assert (answer.status, b'"binding.csr-key"' in answer.body) == (403, True), answer.body


def test_evidence_of_another_device_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    """TLS says who asks; a healthy neighbour cannot speak for it, not even with its own request."""
    neighbour, _ = fleet.newcomer(tmp_path)
    _, client = fleet.newcomer(tmp_path)
    answer = client.post("simpleenroll", lines(attested_request(neighbour, fleet.challenge())))
    assert (answer.status, b'"binding.evidence-key"' in answer.body) == (403, True), answer.body


def test_bad_evidence_in_the_request_is_decided_on_as_at_a_check_in(fleet: Fleet, tmp_path: Path) -> None:
    """It is believed, so it is recorded, and the rules it breaks are named."""
    device, client = fleet.newcomer(tmp_path)
    answer = client.post("simpleenroll", lines(attested_request(behaving(device, Scenario.DEBUG), fleet.challenge())))
    assert (answer.status, b'"est.denied"' in answer.body) == (403, True), answer.body
    decided = expect(fleet.people.get(f"/v1/devices/{device.planned.device_id}/decisions"), 200).document["items"]
    assert [each["tier"] for each in decided] == ["quarantine"]  # type: ignore[index, union-attr]


def test_a_client_that_waits_sends_the_same_request_again(fleet: Fleet, tmp_path: Path) -> None:
    """RFC 7030 section 4.2.3: the request repeats after Retry-After, and its spent challenge is not held against it."""
    device, client = fleet.newcomer(tmp_path)
    nonce = fleet.challenge()
    claimed = bound_nonce(nonce, spki_of(device.operational_key.public_key()))
    proof = (POP_TYPE, make_pop(device.identity_key, device.chain, claimed))
    same = asking(device, [(CHALLENGE_TYPE, nonce), proof])
    assert [client.post("simpleenroll", same).status for _ in range(3)] == [202, 202, 202]
    assert client.post("simpleenroll", lines(attested_request(device, fleet.challenge()))).status == 200


def test_a_format_that_nobody_knows_is_a_mistake_of_the_request(fleet: Fleet, tmp_path: Path) -> None:
    device, client = fleet.newcomer(tmp_path)
    answer = client.post("simpleenroll", asking(device, [(CHALLENGE_TYPE, fleet.challenge()), ("text/plain", b"fine")]))
    assert (answer.status, b'"csr.evidence-type"' in answer.body) == (400, True), answer.body
