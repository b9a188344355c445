"""Ways to a certificate around what a person or the policies said: by EST, by check-in, with keys of others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pki.revocation import Reason
from policyengine.services.actors import SYSTEM
from policyengine.services.changes import Act, SetCertificateStatus, StatusChange
from policyengine.services.checkins.settling import Issued, Pending
from policyengine.services.errors import ConflictError, RefusedError
from policyengine.services.identification.est_identity import Credentials
from policyengine.services.records import CertificateRecord, CertificateStatus
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, next_nonce, ready_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = ready_site(f"sqlite:///{tmp_path_factory.mktemp('attack')}/fleet.db")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def newcomers(site: Site) -> Iterator[SimulatedDevice]:
    return iter(site.of("healthy"))


@pytest.fixture
def device(newcomers: Iterator[SimulatedDevice]) -> SimulatedDevice:
    """Return a healthy device that nobody has met yet."""
    return next(newcomers)


def enrolled(site: Site, device: SimulatedDevice) -> bytes:
    """Enrol by a check-in with a certificate request; returns the next nonce."""
    return next_nonce(asyncio.run(site.enrol(device)))


def current(site: Site, device: SimulatedDevice) -> CertificateRecord:
    view = site.store.view(device.planned.device_id)
    assert view is not None
    assert view.certificate is not None
    return view.certificate


def csr(key: ec.EllipticCurvePrivateKey, common_name: str = "any") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def asked(site: Site, request: bytes, shown: tuple[bytes, ...]) -> str:
    """Return `issued`, `pending`, or the code of the refusal of a simpleenroll."""
    try:
        answer = asyncio.run(site.services.est.enrol(request, Credentials(certificates=shown), label=None))
    except (RefusedError, ConflictError) as refusal:
        return refusal.code
    return {Issued: "issued", Pending: "pending"}[type(answer)]


def fresh_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_a_superseded_certificate_enrols_no_other_key(site: Site, device: SimulatedDevice) -> None:
    """Research: only the newest of a lineage renews; simpleenroll with an older one would be a renewal by its name."""
    nonce = enrolled(site, device)
    older = current(site, device).certificate
    asyncio.run(site.renew(device, nonce))
    newest = current(site, device).certificate
    found = [asked(site, csr(fresh_key()), (shown,)) for shown in (older, newest)]
    assert found == ["certificate.superseded", "issued"]


def test_a_persons_hold_is_not_left_behind_by_a_check_in_with_a_request(site: Site, device: SimulatedDevice) -> None:
    """RFC 5280 section 5.3.1: what is on hold waits for a person; another certificate would be a release."""
    nonce = enrolled(site, device)
    held = current(site, device)
    site.services.certificates.hold(SYSTEM, held.serial, reason="stolen, perhaps")
    reply = asyncio.run(site.renew(device, nonce))
    assert (b'"certificate"' in reply.body, current(site, device).serial) == (False, held.serial)


def test_a_persons_hold_is_not_left_behind_by_the_idevid(site: Site, device: SimulatedDevice) -> None:
    enrolled(site, device)
    site.services.certificates.hold(SYSTEM, current(site, device).serial, reason="stolen, perhaps")
    found = asked(site, csr(fresh_key()), device.chain)
    site.services.certificates.release(SYSTEM, current(site, device).serial, reason="it was not")
    assert (found, asked(site, csr(fresh_key()), device.chain)) == ("certificate.status", "issued")


def test_a_key_that_is_certified_for_one_device_is_not_certified_for_another(
    site: Site, device: SimulatedDevice, newcomers: Iterator[SimulatedDevice]
) -> None:
    """A cloned key store: relying parties could not tell the two devices apart (issue 5: reused keys)."""
    other, shared = next(newcomers), csr(fresh_key())
    enrolled(site, device)
    enrolled(site, other)
    assert [asked(site, shared, each.chain) for each in (device, device, other)] == ["issued", "issued", "key.reused"]


def test_a_key_known_to_be_compromised_is_never_certified_again(site: Site, device: SimulatedDevice) -> None:
    """CA/Browser Forum baseline 4.9.1.1 (3) is the class: who revoked a key for compromise has no use for it."""
    enrolled(site, device)
    taken = csr(fresh_key())
    assert asked(site, taken, device.chain) == "issued"
    site.services.certificates.revoke(SYSTEM, current(site, device).serial, reason=Reason.KEY_COMPROMISE)
    assert [asked(site, each, device.chain) for each in (taken, csr(fresh_key()))] == ["key.compromised", "issued"]


def test_the_identity_key_of_another_device_is_no_operational_key(
    site: Site, device: SimulatedDevice, newcomers: Iterator[SimulatedDevice]
) -> None:
    other = next(newcomers)
    enrolled(site, device)
    enrolled(site, other)
    identity = other.identity_key
    assert isinstance(identity, ec.EllipticCurvePrivateKey)
    assert asked(site, csr(identity), device.chain) == "key.reused"


def test_a_race_for_one_key_has_one_winner(
    site: Site, device: SimulatedDevice, newcomers: Iterator[SimulatedDevice]
) -> None:
    """Both requests are decided before either is recorded; the second commit refuses."""
    other, shared = next(newcomers), csr(fresh_key())
    enrolled(site, device)
    enrolled(site, other)

    async def both() -> list[object]:
        calls = (site.services.est.enrol(shared, Credentials(certificates=each.chain), label=None) for each in pair)
        return await asyncio.gather(*calls, return_exceptions=True)

    pair = (device, other)
    found = [getattr(each, "code", "issued") for each in asyncio.run(both())]
    assert sorted(found) == ["issued", "key.reused"]


def test_a_certificate_of_a_vendor_with_our_serial_number_learns_nothing_of_the_device(
    site: Site, device: SimulatedDevice
) -> None:
    """Whose certificate it is says its bytes, never its serial number, which its maker chose."""
    enrolled(site, device)
    ours = x509.load_der_x509_certificate(current(site, device).certificate)
    key = fresh_key()
    twin = (
        x509.CertificateBuilder()
        .subject_name(ours.subject)
        .issuer_name(ours.issuer)
        .public_key(key.public_key())
        .serial_number(ours.serial_number)
        .not_valid_before(ours.not_valid_before_utc)
        .not_valid_after(ours.not_valid_after_utc)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    found = [site.services.est.profile_of(Credentials(certificates=(each,))) for each in (twin, ours_der(site, device))]
    assert [each is None for each in found] == [True, False]


def ours_der(site: Site, device: SimulatedDevice) -> bytes:
    return current(site, device).certificate


def test_a_hold_that_commits_while_a_renewal_is_decided_is_not_left_behind(site: Site, device: SimulatedDevice) -> None:
    """The renewal read a good certificate; its commit finds the hold of the same batch and decides again."""
    enrolled(site, device)
    held = current(site, device)

    async def race() -> object:
        asking = asyncio.ensure_future(
            site.services.est.enrol(csr(fresh_key()), Credentials(certificates=device.chain), label=None)
        )
        await asyncio.sleep(0)  # it has read and waits for its reservation
        await site.store.submit(hold(site, held))
        return (await asyncio.gather(asking, return_exceptions=True))[0]

    found = asyncio.run(race())
    assert (getattr(found, "code", "issued"), current(site, device).serial) == ("certificate.status", held.serial)


def hold(site: Site, certificate: CertificateRecord) -> SetCertificateStatus:
    now = site.clock.now()
    change = StatusChange(
        issuer=certificate.issuer,
        serial=certificate.serial,
        expected=CertificateStatus.GOOD,
        status=CertificateStatus.HOLD,
        reason="person: stolen, perhaps",
        at=now,
    )
    act = Act(actor="someone", at=now, action="certificate.hold", subject="gw", detail={}, salt=b"s" * 16)
    return SetCertificateStatus(change=change, act=act)


def test_a_lost_answer_to_a_renewal_is_given_again_to_the_same_key_only(site: Site, device: SimulatedDevice) -> None:
    """A network that drops the one answer must not cost a device its place in the fleet, nor let another key in."""
    enrolled(site, device)
    shown, request = current(site, device).certificate, csr(fresh_key())
    first = asked(site, request, (shown,))
    serial = current(site, device).serial
    again = [asked(site, each, (shown,)) for each in (request, csr(fresh_key()))]
    assert ([first, *again], current(site, device).serial) == (["issued", "issued", "certificate.superseded"], serial)


@pytest.fixture
def brownfield(tmp_path: Path) -> Iterator[Site]:
    """Return a site that observes: a device gets a certificate without evidence."""
    url = f"sqlite:///{tmp_path / 'fleet.db'}"
    made = ready_site(url, fleet=(b"enforcement: enforce", b"enforcement: observe"))
    yield made
    made.store.close()


def test_a_lost_answer_to_a_one_time_token_is_given_again_to_the_same_key_only(brownfield: Site) -> None:
    device = brownfield.of("healthy")[0].planned.device_id
    token = brownfield.services.devices.create_token(SYSTEM, device, lifetime=timedelta(hours=1)).token

    def by_token(request: bytes) -> str:
        try:
            answer = asyncio.run(brownfield.services.est.enrol(request, Credentials(token=token), label=None))
        except (RefusedError, ConflictError) as refusal:
            return refusal.code
        return answer.certificate.hex() if isinstance(answer, Issued) else "pending"

    ours, others = csr(fresh_key()), csr(fresh_key())
    first = by_token(ours)
    assert [by_token(ours) == first, by_token(others), "issued" if len(first) > 100 else first] == [
        True,
        "enrolment.token",
        "issued",
    ]
