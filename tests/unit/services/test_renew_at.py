"""When a device is told to renew: at its profile's share of the certificate's life, spread over a fleet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from policyengine.adapters.device_client import Answer
from policyengine.adapters.simulated_fleet import _Wire
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, Digest
from policyengine.model.times import format_timestamp
from policyengine.services.certification.issuing import renew_at
from policyengine.services.records import CertificateRecord, CertificateStatus
from tests.unit.pki.making import profile

START = datetime(2026, 11, 23, tzinfo=UTC)
LIFE = timedelta(days=14)
RECORD = CertificateRecord(
    issuer="ca",
    serial="1f",
    device_id=DeviceId("gw-0001"),
    decision_id=Digest("sha256:" + "ab" * 32),
    profile="gateway",
    tier=Tier.FULL,
    lineage=1,
    replaces=None,
    key_thumbprint="sha256:key",
    not_before=START,
    not_after=START + LIFE,
    certificate=b"",
    status=CertificateStatus.GOOD,
    status_reason=None,
    status_at=START,
)


def moments(count: int) -> list[datetime]:
    found = [renew_at(replace(RECORD, serial=f"{at:x}"), profile()) for at in range(1, count)]
    return [moment for moment in found if moment is not None]


def test_no_certificate_renews_later_than_the_profile_says() -> None:
    assert max(moments(500)) <= START + LIFE / 2


def test_no_certificate_renews_more_than_a_tenth_earlier() -> None:
    assert min(moments(500)) >= START + LIFE / 2 * 0.9 - timedelta(seconds=1)


def test_certificates_of_one_night_are_renewed_over_the_whole_tenth() -> None:
    hours = {moment.replace(minute=0, second=0) for moment in moments(500)}
    assert len(hours) >= 16  # a tenth of half of fourteen days has 16.8 hours


def test_a_certificate_has_the_same_moment_whenever_it_is_asked_for() -> None:
    assert renew_at(RECORD, profile()) == renew_at(RECORD, profile())


@pytest.mark.parametrize("status", [CertificateStatus.HOLD, CertificateStatus.REVOKED])
def test_nothing_is_said_of_a_certificate_that_is_not_good(status: CertificateStatus) -> None:
    assert renew_at(replace(RECORD, status=status), profile()) is None


def test_nothing_is_said_where_the_profile_is_gone() -> None:
    assert renew_at(RECORD, None) is None


@pytest.mark.parametrize(("after", "due"), [(timedelta(hours=1), False), (timedelta(0), True)])
def test_a_simulated_device_renews_once_the_servers_clock_says_so(after: timedelta, due: bool) -> None:
    wire = _Wire(device=None, connection=None)  # type: ignore[arg-type]  # neither is asked about time
    said = {"server_time": format_timestamp(START), "renew_at": format_timestamp(START + after)}
    wire.note(Answer(status=200, document=said))
    assert wire.is_due() is due
