"""What was refused can be understood from its security event alone."""

from __future__ import annotations

from datetime import UTC, datetime

from policyengine.services.checkins.refusals import MAX_DETAIL, security_event
from policyengine.services.errors import RefusedError

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def detail(**fields: object) -> str:
    error = RefusedError("the evidence is not believed", code="evidence.refused", check="psa.nonce", **fields)
    return security_event(error, device_id=None, now=NOW, salt=b"").event.detail


def test_a_security_event_says_what_the_check_expected_and_saw() -> None:
    assert detail(expected="the challenge", seen="absent") == (
        "the evidence is not believed: expected the challenge, seen absent"
    )


def test_what_a_device_sent_makes_no_event_longer_than_its_bound() -> None:
    assert len(detail(expected="the challenge", seen="x" * 10_000)) == MAX_DETAIL
