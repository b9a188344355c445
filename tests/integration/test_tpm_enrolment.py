"""A TPM enrols over HTTP: EK certificate, activation, quote, certified key, certificate; then it lives with us.

swtpm is the device and a served process is the server; between them are only the documented requests over TLS.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.certificates import load_certificate, split_certificates
from policyengine.adapters.device_client import Answer, Connection
from policyengine.attestation.tpm.appraisal import MEDIA_TYPE
from policyengine.attestation.tpm.keys import thumbprint_of
from policyengine.attestation.tpm.structures import read_public
from policyengine.model.base64url import base64url
from policyengine.model.challenge import bound_nonce
from policyengine.simulation import tpm_log
from policyengine.simulation.tpm import make_tpm_evidence, sized
from tests.integration import swtpm, tpm_site
from tests.integration.real_site import Running, expect, running
from tests.integration.test_swtpm import wait_for
from tests.integration.tpm_site import DEVICE, items, plain

BOOT = tpm_log.boot(version="1.2.3")
PCRS = range(8)
AK_HANDLE, KEY_HANDLE = "0x81010010", "0x81010011"


@dataclass(slots=True)
class Gateway:
    """The agent of one device: its TPM, the certificates of its EK, and what its firmware has measured."""

    tpm: swtpm.SoftwareTpm
    ek_chain: tuple[bytes, ...]
    ak: swtpm.AttestationKey
    wire: Connection
    measured: tuple[tpm_log.Record, ...] = BOOT
    shown: dict[str, object] = field(default_factory=dict)

    def nonce(self, device_id: str | None = None) -> bytes:
        return plain(
            expect(self.wire.post("/v1/challenges", {"device_id": device_id} if device_id else {}), 200).document[
                "nonce"
            ]
        )

    def ask(self, nonce: bytes, **changed: object) -> Answer:
        body = {
            "nonce": base64url(nonce),
            "ek": base64url(self.tpm.ek_public()),
            "ak": base64url(self.ak.public),
            "ek_chain": [base64url(each) for each in self.ek_chain],
        }
        return self.wire.post("/v1/tpm/activations", body | changed)

    def activated(self, nonce: bytes) -> bytes:
        """Return the secret of the credential that the server makes."""
        answer = expect(self.ask(nonce), 200).document
        wrapped = {name: plain(answer[name]) for name in ("id_object", "encrypted_secret")}
        return self.tpm.activate(self.ak, **wrapped)

    def quoted(self, nonce: bytes, **more: object) -> bytes:
        signed, signature, values = self.tpm.quote(self.ak, nonce=nonce, pcrs=PCRS)
        parts: dict[str, object] = {
            "attest": signed,
            "signature": signature,
            "ak": self.ak.public,
            "pcrs": {"sha256": values},
            "ek": self.tpm.ek_public(),
            "ek_chain": list(self.ek_chain),
            "eventlog": tpm_log.eventlog(self.measured),
        }
        return make_tpm_evidence(parts | more)

    def check_in(self, nonce: bytes, evidence: bytes, **members: object) -> Answer:
        body = {"nonce": base64url(nonce), "evidence": items((MEDIA_TYPE, evidence))}
        return self.wire.post("/v1/checkins", body | members)

    def certifying(self, nonce: bytes, key: tuple[Path, bytes]) -> tuple[bytes, bytes]:
        """Return evidence in which the TPM certifies `key`, and a certificate request for that key."""
        context, public = key
        request, _ = self.tpm.request(context, public, DEVICE)
        signed, signature = self.tpm.certify_over(KEY_HANDLE, AK_HANDLE, nonce)
        return self.quoted(nonce, certify={"attest": signed, "signature": signature, "public": public}), request


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """A gateway whose firmware booted the released image, announced by its EK to a server of its own."""
    absent = swtpm.missing()
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed; see tests/system-packages.txt")
    with tempfile.TemporaryDirectory(prefix="tpm") as name, running(Path(name) / "data") as server:
        yield from _enrollable(Path(name), server)


def _enrollable(folder: Path, server: Running) -> Iterator[Gateway]:
    issuing, root = (split_certificates(path.read_bytes())[0] for path in swtpm.manufacture(folder))
    process = swtpm.power_on(folder)
    try:
        wait_for(folder / "socket")
        tpm = swtpm.SoftwareTpm(folder=folder)
        for record in BOOT:
            tpm.extend(record.pcr, record.digest("sha256"))
        ak = tpm.create_ak("ecc", "ecdsa")
        tpm.persist(ak.context, AK_HANDLE)
        pem = load_certificate(root).public_bytes(Encoding.PEM)
        ek = thumbprint_of(read_public(tpm.ek_public()))
        tpm_site.publish(server, tpm_site.policy_files(pem, tpm_log.pcrs(BOOT)), serial=str(ek))
        wire = server.connection()
        yield Gateway(tpm=tpm, ek_chain=(tpm.ek_certificate(), issuing), ak=ak, wire=wire)
        wire.close()
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def device_key(gateway: Gateway) -> tuple[Path, bytes]:
    context, public = gateway.tpm.create_device_key()
    gateway.tpm.persist(context, KEY_HANDLE)
    return context, public


@pytest.fixture(scope="module")
def enrolled(gateway: Gateway, device_key: tuple[Path, bytes]) -> Mapping[str, object]:
    """The reply to the first check-in."""
    nonce = gateway.nonce()
    secret = gateway.activated(nonce)
    evidence, request = gateway.certifying(nonce, device_key)
    answer = gateway.check_in(nonce, evidence, activation=base64url(secret), csr=base64url(request))
    return expect(answer, 200).document


def refusal(answer: Answer) -> tuple[int, object]:
    return answer.status, answer.document.get("check", answer.document["code"])


def test_public_areas_with_their_size_in_front_are_named_as_the_devices_mistake(gateway: Gateway) -> None:
    """What `tpm2_readpublic -f tss` writes, with the two bytes that the guide says to cut off."""
    answer = gateway.ask(gateway.nonce(), ek=base64url(sized(gateway.tpm.ek_public())))
    assert refusal(answer) == (400, "tpm.size")


def test_a_tpm_that_was_not_activated_is_nobody(gateway: Gateway) -> None:
    nonce = gateway.nonce()
    assert refusal(gateway.check_in(nonce, gateway.quoted(nonce))) == (403, "identity.unproven")


def test_a_secret_that_was_guessed_is_refused(gateway: Gateway) -> None:
    """CVE-2023-38201's class: without the credential there is no enrolment."""
    nonce = gateway.nonce()
    answer = gateway.check_in(nonce, gateway.quoted(nonce), activation=base64url(bytes(32)))
    assert refusal(answer) == (403, "tpm.activation")


def test_the_secret_of_another_nonce_is_refused(gateway: Gateway) -> None:
    secret, nonce = gateway.activated(gateway.nonce()), gateway.nonce()
    answer = gateway.check_in(nonce, gateway.quoted(nonce), activation=base64url(secret))
    assert refusal(answer) == (403, "tpm.activation")


def test_the_secret_of_another_key_of_the_same_tpm_is_refused(gateway: Gateway) -> None:
    nonce = gateway.nonce()
    secret = gateway.activated(nonce)
    other = replace_ak(gateway, "rsa", "rsassa")
    answer = other.check_in(nonce, other.quoted(nonce), activation=base64url(secret))
    assert refusal(answer) == (403, "tpm.activation")


def replace_ak(gateway: Gateway, kind: str, scheme: str) -> Gateway:
    ak = gateway.tpm.create_ak(kind, scheme)
    return Gateway(tpm=gateway.tpm, ek_chain=gateway.ek_chain, ak=ak, wire=gateway.wire)


def test_an_ek_without_its_certificate_gets_no_credential(gateway: Gateway) -> None:
    wrong = gateway.ask(gateway.nonce(), ek=base64url(gateway.ak.public))
    assert refusal(wrong) == (403, "tpm.ek-key")


def test_an_attestation_key_that_signs_anything_gets_no_credential(
    gateway: Gateway, device_key: tuple[Path, bytes]
) -> None:
    answer = gateway.ask(gateway.nonce(), ak=base64url(device_key[1]))
    assert refusal(answer) == (403, "tpm.ak-attributes")


def test_a_request_for_a_key_the_tpm_did_not_certify_gets_no_certificate(
    gateway: Gateway, device_key: tuple[Path, bytes]
) -> None:
    nonce = gateway.nonce()
    secret = gateway.activated(nonce)
    evidence, _ = gateway.certifying(nonce, device_key)
    stray = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(STRAY, hashes.SHA256())
    csr = base64url(stray.public_bytes(Encoding.DER))
    answer = gateway.check_in(nonce, evidence, activation=base64url(secret), csr=csr)
    assert refusal(answer) == (403, "binding.csr-key")


STRAY = ec.generate_private_key(ec.SECP256R1())


def test_a_gateway_is_enrolled_by_its_tpm_and_gets_a_certificate_for_the_certified_key(
    enrolled: Mapping[str, object], device_key: tuple[Path, bytes]
) -> None:
    """TPM 2.0 Part 1 section 24, Part 3 sections 18.2 and 18.4."""
    assert enrolled["tier"] == "full", enrolled["findings"]
    certificate = x509.load_der_x509_certificate(plain(enrolled["certificate"]))
    assert certificate.subject.rfc4514_string() == f"CN={DEVICE}"
    assert swtpm.spki_of(read_public(device_key[1])) == _spki(certificate)


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.usefixtures("enrolled")
def test_an_enrolled_gateway_checks_in_with_its_quote_alone(gateway: Gateway) -> None:
    nonce = gateway.nonce(DEVICE)
    document = expect(gateway.check_in(nonce, gateway.quoted(nonce)), 200).document
    assert (document["tier"], "certificate" in document) == ("full", False)


@pytest.mark.usefixtures("enrolled")
def test_an_enrolled_gateway_renews_for_a_key_it_quotes_over(gateway: Gateway) -> None:
    """A key outside the TPM is bound by the quote, whose nonce is made with it."""
    nonce = gateway.nonce(DEVICE)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(STRAY, hashes.SHA256())
    spki = request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    evidence = gateway.quoted(bound_nonce(nonce, spki))
    csr = base64url(request.public_bytes(Encoding.DER))
    document = expect(gateway.check_in(nonce, evidence, csr=csr), 200).document
    assert (document["tier"], "certificate" in document) == ("full", True)


@pytest.mark.usefixtures("enrolled")
def test_a_token_that_a_program_had_the_attestation_key_sign_is_no_evidence(gateway: Gateway) -> None:
    """TPM 2.0 Part 1, Restricted Signing Keys: they sign all that does not begin as the TPM's own statements do."""
    nonce = gateway.nonce(DEVICE)
    header, claims = cbor2.dumps({1: -7}), cbor2.dumps({10: nonce, 262: True, 263: 3})  # oemboot, debug off for good
    signature = gateway.tpm.sign_as_any_program(gateway.ak, cbor2.dumps(["Signature1", header, b"", claims]))
    token = cbor2.dumps(cbor2.CBORTag(18, [header, {}, claims, signature]))
    evidence = items((MEDIA_TYPE, gateway.quoted(nonce)), ("application/eat+cwt", token))
    answer = gateway.wire.post("/v1/checkins", {"nonce": base64url(nonce), "evidence": evidence})
    assert refusal(answer) == (403, "binding.ak-evidence")


@pytest.mark.usefixtures("enrolled")
def test_a_refusal_says_what_was_expected_what_was_seen_and_where_to_read_on(gateway: Gateway) -> None:
    problem = gateway.check_in(gateway.nonce(DEVICE), gateway.quoted(b"x" * 32)).document
    assert (problem["check"], problem["documentation"]) == ("tpm.nonce", "docs/evidence-tpm.md#checks")
    assert (problem["expected"], (b"x" * 32).hex() in str(problem["seen"])) == (
        "extraData equal to the challenge",
        True,
    )


@pytest.mark.usefixtures("enrolled")
def test_another_key_of_the_same_tpm_is_not_the_enrolled_device(gateway: Gateway) -> None:
    other = replace_ak(gateway, "rsa", "rsapss")
    nonce = gateway.nonce(DEVICE)
    assert refusal(other.check_in(nonce, other.quoted(nonce))) == (403, "tpm.ak-trusted")


@pytest.mark.usefixtures("enrolled")
def test_the_id_of_an_enrolled_gateway_is_not_taken_over_by_another_activated_key(gateway: Gateway) -> None:
    other = replace_ak(gateway, "rsa", "rsassa")
    nonce = gateway.nonce()
    secret = other.activated(nonce)
    answer = other.check_in(nonce, other.quoted(nonce), activation=base64url(secret))
    assert refusal(answer) == (409, "identity.conflict")


@pytest.mark.usefixtures("enrolled")
def test_a_gateway_that_measured_something_else_is_quarantined(gateway: Gateway) -> None:
    """The log is true and the quote is good; what was booted is not what was released. Last: a PCR never goes back."""
    implant = replace(BOOT[2], data=tpm_log.variable("db", b"somebody else's key"))
    gateway.tpm.extend(implant.pcr, implant.digest("sha256"))
    gateway.measured = (*gateway.measured, implant)
    nonce = gateway.nonce(DEVICE)
    document = expect(gateway.check_in(nonce, gateway.quoted(nonce)), 200).document
    failing = [each["rule"] for each in document["findings"] if each["result"] != "pass"]
    assert (document["tier"], failing) == ("quarantine", ["engineering/measured-boot#endorsed-pcrs"])
