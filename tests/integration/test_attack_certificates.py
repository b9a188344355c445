"""Ways to keep a certificate that the tier, or a person, took away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from policyengine.model.decision import Tier
from policyengine.services.actors import SYSTEM
from policyengine.services.changes import Act, SetCertificateStatus, StatusChange
from policyengine.services.checkins.judging import standing_of
from policyengine.services.errors import ConflictError, RefusedError
from policyengine.services.records import CertificateRecord, CertificateStatus, DeviceView, Restriction
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, next_nonce, ready_site


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def enrolled(site: Site) -> tuple[SimulatedDevice, bytes]:
    device = site.of("healthy")[0]
    return device, next_nonce(asyncio.run(site.enrol(device)))


def current(site: Site, device: SimulatedDevice) -> CertificateRecord:
    view = site.store.view(device.planned.device_id)
    assert view is not None and view.certificate is not None
    return view.certificate


def check_of(site: Site, certificate: CertificateRecord) -> object:
    try:
        site.services.certificates.identify(certificate.certificate)
    except RefusedError as refusal:
        return refusal.fields["check"]
    return "admitted"


def test_certificate_replaced_by_renewal_opens_no_gate_for_a_quarantined_device(site: Site) -> None:
    """DESIGN section 6: the gate answers the tier; only the current certificate of the lineage goes on hold."""
    device, nonce = enrolled(site)
    earlier = current(site, device)
    site.clock.forward(timedelta(hours=1))
    asyncio.run(site.renew(device, nonce))
    before = check_of(site, earlier)
    site.services.devices.quarantine(SYSTEM, device.planned.device_id, reason="odd traffic")
    found = (check_of(site, current(site, device)), check_of(site, earlier))
    assert (before, found) == ("admitted", ("certificate.status", "device.tier"))


def test_person_who_releases_a_certificate_does_not_release_the_device(site: Site) -> None:
    device, _ = enrolled(site)
    serial = current(site, device).serial
    site.services.certificates.hold(SYSTEM, serial, reason="odd traffic")
    site.services.devices.quarantine(SYSTEM, device.planned.device_id, reason="odd traffic")
    site.services.certificates.release(SYSTEM, serial, reason="explained")
    held = current(site, device)
    site.services.devices.release(SYSTEM, device.planned.device_id, reason="explained")
    found = (held.status, held.status_reason, current(site, device).status)
    assert found == (CertificateStatus.HOLD, "tier", CertificateStatus.GOOD)


def test_revocation_is_not_overwritten_by_a_hold_of_the_same_commit(site: Site) -> None:
    """Vault CVE-2021-29653 is the class: what is revoked stays revoked, whatever else is in the batch."""
    device, _ = enrolled(site)
    view = site.store.view(device.planned.device_id)
    assert view is not None
    first, second = site.store.apply_all((revocation(site, current(site, device)), quarantine(site, view)))
    assert (first, type(second)) == (None, ConflictError)
    assert current(site, device).status is CertificateStatus.REVOKED


def revocation(site: Site, certificate: CertificateRecord) -> SetCertificateStatus:
    change = StatusChange(
        issuer=certificate.issuer,
        serial=certificate.serial,
        expected=certificate.status,
        status=CertificateStatus.REVOKED,
        reason="keyCompromise",
        at=site.clock.now(),
    )
    return SetCertificateStatus(change=change, act=act(site, "certificate.revoked"))


def quarantine(site: Site, view: DeviceView) -> object:
    assert view.state is not None
    restriction = Restriction(tier=Tier.QUARANTINE, reason="odd", actor="someone", since=site.clock.now())
    standing = replace(standing_of(view.state), restriction=restriction)
    change = site.services.devices._redecider.under(view, view.state, standing, act(site, "device.quarantine"))
    assert change.status is not None, "the quarantine holds the certificate"
    return change


def act(site: Site, action: str) -> Act:
    return Act(actor="someone", at=site.clock.now(), action=action, subject="gw", detail={}, salt=b"s" * 16)
