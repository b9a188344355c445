"""A fleet that has certificates already: a device of the former CA is recognised once, then its lineage is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import compile_tree
from policyengine.model.ids import DeviceId
from policyengine.services.actors import SYSTEM
from policyengine.services.checkins.settling import Issued
from policyengine.services.identification.est_identity import Credentials
from policyengine.services.ports import PageRequest
from policyengine.services.records import CertificateRecord
from policyengine.services.registry.devices import NewDevice
from tests.integration.test_by_hand import FILES
from tests.support.site import START, Site, open_site
from tests.unit.pki.making import KEYS, csr

CA_KEY, DEVICE_KEY, NEXT_KEY, OTHER_KEY = KEYS
USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
ANCHORS = """
kind: TrustAnchors
metadata: {name: former, owner: it}
spec:
  anchors:
    - file: former-ca.pem
      use: [legacy]
      vendor: vendor-acme
      models: [broker]
      serial: "^(AC-[0-9]{4}|broker-[0-9])$"
"""


def name(**attributes: str) -> x509.Name:
    known = {"cn": NameOID.COMMON_NAME, "serial": NameOID.SERIAL_NUMBER, "o": NameOID.ORGANIZATION_NAME}
    return x509.Name([x509.NameAttribute(known[each], value) for each, value in attributes.items()])


def certificate(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, signer: ec.EllipticCurvePrivateKey = CA_KEY
) -> x509.Certificate:
    """Return what the former CA would give: no more than RFC 5280 demands of it."""
    issuer = name(cn="Former CA")
    is_ca = subject == issuer
    usage = dict.fromkeys(USAGES, False) | {"key_cert_sign" if is_ca else "digital_signature": True}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(0x1234 if not is_ca else 1)
        .not_valid_before(START - timedelta(days=100))
        .not_valid_after(START + timedelta(days=100))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return builder.sign(signer, hashes.SHA256())


FORMER_CA = certificate(name(cn="Former CA"), CA_KEY)
HELD = certificate(name(cn="broker-1"), DEVICE_KEY)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A site with the former CA among its anchors, and two announced devices."""

    site: Site

    def ask(self, shown: x509.Certificate = HELD, *, key: ec.EllipticCurvePrivateKey = NEXT_KEY) -> Issued:
        given = Credentials(certificates=(shown.public_bytes(Encoding.DER),))
        found = asyncio.run(self.site.services.est.reenrol(csr(key), given, label=None))
        assert isinstance(found, Issued)
        return found

    def lineage(self) -> list[CertificateRecord]:
        return list(self.site.services.certificates.list(SYSTEM, PageRequest(), device_id=DeviceId("broker-1")).items)

    def refusal(self, shown: x509.Certificate, *, key: ec.EllipticCurvePrivateKey = NEXT_KEY) -> str:
        return code_of(lambda: self.ask(shown, key=key))


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(PolicyEngineError) as refused:
        act()
    return refused.value.code


@pytest.fixture
def fleet(tmp_path: object) -> Iterator[Fleet]:
    files = {path: f"apiVersion: policyengine/v1{text}".encode() for path, text in FILES.items()}
    files["trust-anchors/former.yaml"] = f"apiVersion: policyengine/v1{ANCHORS}".encode()
    files["trust-anchors/former-ca.pem"] = FORMER_CA.public_bytes(Encoding.PEM)
    compiled = compile_tree(files, now=START)
    assert compiled.bundle is not None and compiled.digest is not None, compiled.diagnostics
    site = open_site(f"sqlite:///{tmp_path}/store.db")
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit="c0ffee", created_at=START)
    site.services.bundles.activate(
        SYSTEM, site.services.bundles.publish_file(SYSTEM, encode_file(file)), expected_generation=None
    )
    site.clock.forward(timedelta(seconds=2))
    labels = {"inspected": "yes"}
    common = {"vendor": "vendor-acme", "model": "broker", "site": "plant-a"}
    site.services.devices.announce(
        SYSTEM,
        [
            NewDevice(id=DeviceId("broker-1"), serial="AC-0001", labels=labels, **common),
            NewDevice(id=DeviceId("broker-2"), serial="AC-0002", labels={"inspected": "no"}, **common),
        ],
    )
    yield Fleet(site)
    site.store.close()


def test_a_device_of_the_former_ca_gets_one_of_ours_by_policy(fleet: Fleet) -> None:
    ours = x509.load_der_x509_certificate(fleet.ask().certificate)
    assert ours.subject.rfc4514_string() == "CN=broker-1"
    assert ours.issuer != FORMER_CA.subject


def test_the_former_certificate_is_the_first_of_the_lineage(fleet: Fleet) -> None:
    fleet.ask()
    (record,) = fleet.lineage()
    assert (record.lineage, record.replaces) == (2, "1234")


def test_the_log_keeps_which_certificate_of_which_ca_was_adopted(fleet: Fleet) -> None:
    fleet.ask()
    event = fleet.site.services.audit.events(SYSTEM, PageRequest()).items[0]
    said = event.action, event.subject, event.detail["issuer"], event.detail["serial"]
    assert said == ("certificate.adopted", "broker-1", "CN=Former CA", "1234")


def test_a_serial_number_in_the_former_certificate_is_the_vendors(fleet: Fleet) -> None:
    found = fleet.ask(certificate(name(cn="anything", serial="AC-0001"), DEVICE_KEY))
    assert found.device_id == "broker-1"


def test_the_policies_refuse_a_device_of_the_former_ca_like_any_other(fleet: Fleet) -> None:
    assert fleet.refusal(certificate(name(cn="broker-2"), DEVICE_KEY)) == "est.denied"


def test_the_former_certificate_serves_once(fleet: Fleet) -> None:
    """From then on the device renews with ours: the former CA must not stay a second way in."""
    fleet.ask()
    assert fleet.refusal(HELD, key=OTHER_KEY) == "certificate.superseded"


def test_an_answer_that_got_lost_is_given_for_the_same_key_again(fleet: Fleet) -> None:
    fleet.ask()
    assert fleet.ask().device_id == "broker-1"


def test_a_lost_answer_is_no_way_around_a_persons_hold(fleet: Fleet) -> None:
    fleet.ask()
    fleet.site.services.certificates.hold(SYSTEM, fleet.lineage()[0].serial, reason="odd traffic")
    assert fleet.refusal(HELD) == "certificate.status"


def test_a_device_is_not_taken_over_by_another_certificate_of_the_former_ca(fleet: Fleet) -> None:
    fleet.ask()
    assert fleet.refusal(certificate(name(cn="broker-1"), OTHER_KEY)) == "identity.conflict"


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (certificate(name(cn="gw-0001"), DEVICE_KEY), "identity.not-entitled"),  # outside the pattern
        (certificate(name(cn="broker-9"), DEVICE_KEY), "identity.unannounced"),
        (certificate(name(serial="AC-0009"), DEVICE_KEY), "identity.unannounced"),
        (certificate(name(o="Plant A"), DEVICE_KEY), "identity.serial"),
        (certificate(name(cn="broker-1"), DEVICE_KEY, signer=OTHER_KEY), "certificate.foreign"),
    ],
    ids=["outside-the-pattern", "id-of-nobody", "serial-of-nobody", "no-name", "signed-by-another-ca"],
)
def test_whom_the_former_ca_does_not_speak_for_is_refused(fleet: Fleet, shown: x509.Certificate, code: str) -> None:
    assert fleet.refusal(shown) == code
