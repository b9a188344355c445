"""Renewal after a certificate ended, by a statement of its key: only the newest, unstopped, inside the window."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from api.wire import read_renewal
from pki.revocation import Reason
from policyengine.model.times import parse_timestamp
from policyengine.services.actors import SYSTEM
from policyengine.services.checkins.settling import Issued, Pending
from policyengine.services.errors import RefusedError
from policyengine.services.ports import PageRequest
from policyengine.services.records import CertificateRecord
from policyengine.simulation.device import SimulatedDevice, certificate_request, new_key
from policyengine.simulation.renewing import late_renewal
from tests.support.site import FakeEntropy, Site, plain, ready_site

WINDOW = timedelta(days=30)
LATER = (b"  renew_at: 0.5\n", b"  renew_at: 0.5\n  late_renewal: 30d\n")
LATE = {"profiles__gateway": LATER, "profiles__field_device": LATER}
NEXT_KEY = new_key(FakeEntropy(seed=23).draw)


@dataclass(frozen=True, slots=True)
class Late:
    """A device with one certificate, some time after it was issued."""

    site: Site
    device: SimulatedDevice
    certificate: bytes

    @property
    def id(self) -> str:
        return self.device.planned.device_id

    def nonce(self) -> bytes:
        return self.site.services.challenges.issue(self.id).nonce

    def body(self, nonce: bytes, *, key: ec.EllipticCurvePrivateKey | None = None) -> dict[str, object]:
        """Return what the device sends; `key` signs the statement in the place of the certificate's."""
        csr = certificate_request(self.device, NEXT_KEY)
        signer = key or self.device.operational_key
        return dict(late_renewal(signer, nonce, certificate=self.certificate, csr=csr))

    def send(self, body: dict[str, object]) -> Issued | Pending:
        return asyncio.run(self.site.services.renewals.renew(read_renewal(json.dumps(body).encode())))

    def renew(self) -> Issued | Pending:
        return self.send(self.body(self.nonce()))

    def refusal(self, body: dict[str, object] | None = None) -> object:
        with pytest.raises(RefusedError) as refused:
            self.send(body or self.body(self.nonce()))
        return refused.value.fields["check"]

    def lineage(self) -> list[CertificateRecord]:
        found = self.site.services.certificates.list(SYSTEM, PageRequest(), device_id=self.id)
        return sorted(found.items, key=lambda each: each.lineage)

    def until_end(self, *, beyond: timedelta) -> None:
        """Let time pass until the certificate has ended and `beyond` more."""
        end = x509.load_der_x509_certificate(self.certificate).not_valid_after_utc
        self.site.clock.forward(end - self.site.clock.now() + beyond)


def _enrolled(site: Site) -> Late:
    device = site.of("healthy")[0]
    reply = asyncio.run(site.enrol(device))
    return Late(site, device, plain(json.loads(reply.body)["certificate"]))


@pytest.fixture
def late(database: str) -> Iterator[Late]:
    site = ready_site(database, **LATE)
    yield _enrolled(site)
    site.store.close()


@pytest.fixture
def strict(database: str) -> Iterator[Late]:
    site = ready_site(database)
    yield _enrolled(site)
    site.store.close()


def test_every_check_in_says_when_to_renew_the_certificate_the_device_has(strict: Late) -> None:
    reply = json.loads(asyncio.run(strict.site.check_in(strict.device, strict.nonce())).body)
    ends = x509.load_der_x509_certificate(strict.certificate).not_valid_after_utc
    assert strict.site.clock.now() < parse_timestamp(reply["renew_at"]) < ends


def test_an_ended_certificate_renews_by_its_key(late: Late) -> None:
    late.until_end(beyond=timedelta(days=3))
    answer = late.renew()
    assert isinstance(answer, Issued), answer
    first, second = late.lineage()
    assert (second.lineage, second.replaces, second.certificate) == (2, first.serial, answer.certificate)


def test_a_lost_answer_is_given_again_and_nothing_is_issued_twice(late: Late) -> None:
    late.until_end(beyond=timedelta(days=3))
    body = late.body(late.nonce())
    assert late.send(body) == late.send(body)
    assert len(late.lineage()) == 2


def test_a_lost_answer_is_given_again_under_a_new_nonce(late: Late) -> None:
    """A device that restarted has forgotten its nonce; its older certificate must not have locked it out."""
    late.until_end(beyond=timedelta(days=3))
    assert late.renew() == late.renew()


def test_a_nonce_that_a_check_in_spent_renews_nothing(late: Late) -> None:
    late.until_end(beyond=timedelta(days=3))
    nonce = late.nonce()
    asyncio.run(late.site.check_in(late.device, nonce))
    assert late.refusal(late.body(nonce)) == "nonce.spent"


def test_a_nonce_that_lived_too_long_renews_nothing(late: Late) -> None:
    body = late.body(late.nonce())
    late.site.clock.forward(timedelta(minutes=5))
    assert late.refusal(body) == "nonce.expired"


def test_a_nonce_of_another_device_renews_nothing(late: Late) -> None:
    other = late.site.services.challenges.issue(late.site.of("healthy")[1].planned.device_id).nonce
    assert late.refusal(late.body(other)) == "renewal.nonce"


def test_a_superseded_certificate_renews_nothing(late: Late) -> None:
    """Only the newest of a lineage renews."""
    asyncio.run(late.site.renew(late.device, late.nonce()))
    late.until_end(beyond=timedelta(days=3))
    assert late.refusal() == "certificate.superseded"


def test_a_revoked_certificate_renews_nothing(late: Late) -> None:
    late.site.services.certificates.revoke(SYSTEM, late.lineage()[0].serial, reason=Reason.KEY_COMPROMISE)
    late.until_end(beyond=timedelta(days=3))
    assert late.refusal() == "certificate.status"


def test_a_certificate_that_a_person_holds_renews_nothing(late: Late) -> None:
    late.site.services.certificates.hold(SYSTEM, late.lineage()[0].serial, reason="lost on a site")
    late.until_end(beyond=timedelta(days=3))
    assert late.refusal() == "certificate.status"


def test_a_retired_device_renews_nothing(late: Late) -> None:
    late.site.services.devices.retire(SYSTEM, late.device.planned.device_id, reason="scrapped")
    assert late.refusal() == "device.retired"


def test_the_window_ends_at_its_very_instant(late: Late) -> None:
    """Limits are half-open: at the instant of its end a window has ended."""
    late.until_end(beyond=WINDOW)
    assert late.refusal() == "renewal.window"


def test_a_profile_without_a_window_lets_nothing_renew_by_its_key(strict: Late) -> None:
    strict.until_end(beyond=timedelta(seconds=1))
    assert strict.refusal() == "renewal.window"


def test_another_key_makes_no_statement(late: Late) -> None:
    late.until_end(beyond=timedelta(days=3))
    assert late.refusal(late.body(late.nonce(), key=NEXT_KEY)) == "renewal.signature"


def test_the_pinned_identity_key_is_not_the_certificates_key(late: Late) -> None:
    late.until_end(beyond=timedelta(days=3))
    assert late.refusal(late.body(late.nonce(), key=late.device.identity_key)) == "renewal.signature"


def test_a_statement_for_another_request_does_not_hold(late: Late) -> None:
    """What is signed names the request: another key cannot be slipped in."""
    body = late.body(late.nonce())
    other = late_renewal(
        late.device.operational_key,
        late.nonce(),
        certificate=late.certificate,
        csr=certificate_request(late.device, late.device.stray_key),
    )
    assert late.refusal({**body, "csr": other["csr"]}) == "renewal.statement"


def test_a_certificate_of_another_ca_renews_nothing(late: Late) -> None:
    csr = certificate_request(late.device, NEXT_KEY)
    body = late_renewal(late.device.identity_key, late.nonce(), certificate=late.device.chain[0], csr=csr)
    assert late.refusal(dict(body)) == "certificate.foreign"


def test_a_quarantined_device_is_refused_by_the_policies(late: Late) -> None:
    """The same decision as over EST: its tier holds no certificate."""
    late.site.services.devices.quarantine(SYSTEM, late.device.planned.device_id, reason="seen elsewhere")
    assert late.refusal() == "renewal.denied"


def test_evidence_that_grew_old_is_waited_for_where_the_tier_holds_certificates(late: Late) -> None:
    """Renewal by the old key goes around no policy: what ended long ago was attested long ago."""
    late.site.services.devices.quarantine(SYSTEM, late.device.planned.device_id, reason="seen elsewhere")
    late.until_end(beyond=timedelta(days=3))
    answer = late.renew()
    assert isinstance(answer, Pending)
    assert answer.missing


def test_a_refusal_is_a_security_event_of_the_device(late: Late) -> None:
    late.refusal(late.body(late.nonce(), key=NEXT_KEY))
    found = late.site.services.audit.security_events(SYSTEM, PageRequest(), device_id=late.device.planned.device_id)
    assert [event.check for event in found.items] == ["renewal.signature"]
