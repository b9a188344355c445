"""A device whose maker certified the attestation key of its TPM (IAK), and quotes by keys that nobody saw in a TPM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import compile_tree
from policyengine.model.challenge import bound_nonce
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import ConflictError, RefusedError
from policyengine.simulation import pop, tpm, tpm_log
from policyengine.simulation.device import POP_TYPE
from policyengine.simulation.vendor import HardwareModule, VendorCa, issue_iak, issue_idevid, make_vendor_ca
from tests.parity.presented import RELEASED, TAMPERED, TPM_TYPE, Evidence, Firmware, measured_boot
from tests.parity.site import (
    MODEL,
    OPERATIONAL,
    announced,
    body_of,
    certificate_request,
    check_in,
    enrol,
    policy_files,
    send,
    spki_of,
)
from tests.support.site import START, Site, open_site
from tests.unit.attestation import tpm_device

MAKER = make_vendor_ca(
    "Acme",
    root_key=ec.derive_private_key(0x71, ec.SECP256R1()),
    issuing_key=ec.derive_private_key(0x72, ec.SECP256R1()),
    now=START,
    entropy=bytes(range(32)),
)
STRANGER = make_vendor_ca(
    "Acme",
    root_key=ec.derive_private_key(0x73, ec.SECP256R1()),
    issuing_key=ec.derive_private_key(0x74, ec.SECP256R1()),
    now=START,
    entropy=bytes(range(32)),
)
MODULE = HardwareModule(type="2.23.133.1.2", serial=b"ek")  # TCG: a TPM 2.0, by its EK
ANCHOR = '    - {file: maker.pem, use: [idevid], vendor: vendor-acme, models: [edge-7], serial: "^AC-[0-9]+$"}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway with an IDevID and an IAK in its TPM; both certificates state its serial number."""

    id: str = "edge-iak"
    serial: str = "AC-1"
    seed: int = 0x81  # of its keys
    ca: VendorCa = MAKER
    certified: str | None = None  # the serial number in the IAK's certificate, where it is another one

    @property
    def ak(self) -> tpm.TpmKey:
        return replace(tpm_device.AK, private=ec.derive_private_key(self.seed, ec.SECP256R1()))

    @property
    def idevid(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(0x1000 + self.seed, ec.SECP256R1())

    def iak(self) -> x509.Certificate:
        return issue_iak(
            self.ca,
            self.ak.private.public_key(),  # type: ignore[arg-type]
            serial_number=self.certified or self.serial,
            model=MODEL,
            hardware=MODULE,
            now=START,
            entropy=bytes(16),
        )

    def evidence(self, challenge: bytes, firmware: Firmware) -> Evidence:
        certificate = self.iak()
        chain = [each.public_bytes(Encoding.DER) for each in (certificate, self.ca.issuing)]
        return TPM_TYPE, tpm.make_tpm_evidence(self.quoted(challenge, firmware, self.ak) | {"ak_chain": chain})

    def quoted(self, challenge: bytes, firmware: Firmware, key: tpm.TpmKey) -> dict[str, object]:
        records = measured_boot(firmware)
        values = {"sha256": tpm_log.pcrs(records)}
        return tpm.tpm_evidence(key, nonce=challenge, values=values, eventlog=tpm_log.eventlog(records))

    def possession_of_iak(self, challenge: bytes) -> Evidence:
        """Return a proof by the AK, which a program on the device had its TPM sign."""
        private = self.ak.private
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        certificate = self.iak()
        chain = [each.public_bytes(Encoding.DER) for each in (certificate, self.ca.issuing)]
        return POP_TYPE, pop.make_pop(private, chain, challenge)

    def possession(self, challenge: bytes) -> Evidence:
        certificate = issue_idevid(
            self.ca,
            self.idevid.public_key(),
            serial_number=self.serial,
            model=MODEL,
            hardware=MODULE,
            now=START,
            entropy=bytes(15) + b"\x01",
        )
        chain = [each.public_bytes(Encoding.DER) for each in (certificate, self.ca.issuing)]
        return POP_TYPE, pop.make_pop(self.idevid, chain, challenge)

    def introduction(self, site: Site, nonce: bytes) -> Mapping[str, object]:
        return {}


GATEWAY = Gateway()
OTHER = Gateway(id="edge-two", serial="AC-2", seed=0x82)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    files = policy_files()
    files["trust-anchors/maker.pem"] = MAKER.root.public_bytes(Encoding.PEM)
    files["trust-anchors/roots.yaml"] += ANCHOR.encode()
    compiled = compile_tree(files, now=START)
    assert compiled.bundle is not None, compiled.diagnostics
    assert compiled.digest is not None
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit=None, created_at=START)
    made = open_site(f"sqlite:///{tmp_path}/site.db")
    digest = made.services.bundles.publish_file(SYSTEM, encode_file(file))
    made.services.bundles.activate(SYSTEM, digest, expected_generation=None)
    made.services.devices.announce(SYSTEM, [announced(each.id, each.serial) for each in (GATEWAY, OTHER)])
    yield made
    made.store.close()


def refusal(caught: pytest.ExceptionInfo[RefusedError | ConflictError]) -> object:
    return caught.value.fields.get("check")


def by_both(site: Site, device: Gateway, quoting: Gateway, firmware: Firmware = RELEASED) -> Mapping[str, object]:
    """Return the reply to a first check-in with an IDevID proof of `device` and a quote by the IAK of `quoting`."""
    nonce = site.services.challenges.issue(None).nonce
    claimed = bound_nonce(nonce, spki_of(OPERATIONAL))
    evidence = (device.possession(claimed), quoting.evidence(claimed, firmware))
    return send(site, body_of(nonce, *evidence) | {"csr": certificate_request()})


def test_a_gateway_enrols_by_its_iak_alone_and_lives_on_with_its_quotes(site: Site) -> None:
    """TCG TPM 2.0 Keys for Device Identity and Attestation section 5.2: no activation of ours."""
    reply = enrol(site, GATEWAY)
    identity = site.services.devices.facts(SYSTEM, GATEWAY.id)["facts"]["identity"]
    assert (reply["tier"], identity["kind"]) == ("full", "ak")
    assert [check_in(site, GATEWAY, each)["tier"] for each in (RELEASED, TAMPERED)] == ["full", "quarantine"]


def test_an_idevid_and_an_iak_of_one_device_are_believed_together(site: Site) -> None:
    by_both(site, GATEWAY, GATEWAY)
    facts = site.services.devices.facts(SYSTEM, GATEWAY.id)["facts"]
    assert (facts["identity"]["kind"], facts["evidence"]["format"]) == ("idevid", "tpm2")


def test_a_quote_of_another_devices_iak_does_not_stand_beside_an_idevid(site: Site) -> None:
    """CVE-2022-1053: one real TPM would vouch for another device."""
    with pytest.raises(RefusedError) as caught:
        by_both(site, GATEWAY, OTHER)
    assert refusal(caught) == "binding.iak-device"


def test_an_iak_does_not_stand_in_for_an_idevid(site: Site) -> None:
    """TCG TPM 2.0 Keys for Device Identity and Attestation section 5: pinned as an IDevID it would sign any token."""
    nonce = site.services.challenges.issue(None).nonce
    with pytest.raises(RefusedError) as caught:
        send(site, body_of(nonce, GATEWAY.possession_of_iak(nonce)))
    assert refusal(caught) == "identity.purpose"


def test_later_quotes_of_a_device_with_an_idevid_are_by_its_own_iak(site: Site) -> None:
    by_both(site, GATEWAY, GATEWAY)
    assert check_in(site, GATEWAY)["tier"] in {"full", "limited", "quarantine"}
    with pytest.raises(RefusedError) as caught:
        check_in(site, replace(OTHER, id=GATEWAY.id))
    assert refusal(caught) == "binding.iak-device"


def test_a_quote_made_with_the_idevid_key_itself_is_refused(site: Site) -> None:
    """The maker certified the key, and nobody saw it in a TPM: software writes any PCR it likes."""
    nonce = site.services.challenges.issue(None).nonce
    forged = tpm.make_tpm_evidence(GATEWAY.quoted(nonce, RELEASED, replace(GATEWAY.ak, private=GATEWAY.idevid)))
    with pytest.raises(RefusedError) as caught:
        send(site, body_of(nonce, GATEWAY.possession(nonce), (TPM_TYPE, forged)))
    assert refusal(caught) == "binding.ak-unproven"


def test_an_iak_of_a_maker_that_nobody_named_is_refused(site: Site) -> None:
    with pytest.raises(RefusedError) as caught:
        enrol(site, replace(GATEWAY, ca=STRANGER))
    assert refusal(caught) == "tpm.ak-trusted"


def test_the_iak_of_another_device_does_not_speak_for_an_enrolled_one(site: Site) -> None:
    enrol(site, GATEWAY)
    with pytest.raises(ConflictError) as caught:
        check_in(site, replace(OTHER, id=GATEWAY.id))
    assert refusal(caught) == "identity.conflict"


def test_a_second_iak_for_the_serial_number_of_an_enrolled_device_is_no_take_over(site: Site) -> None:
    enrol(site, GATEWAY)
    with pytest.raises(ConflictError) as caught:
        enrol(site, replace(GATEWAY, seed=0x83))
    assert refusal(caught) == "identity.conflict"


def test_an_iak_for_a_serial_number_beyond_its_makers_is_refused(site: Site) -> None:
    with pytest.raises(RefusedError) as caught:
        enrol(site, replace(GATEWAY, certified="ZZ-1"))
    assert refusal(caught) == "identity.not-entitled"
