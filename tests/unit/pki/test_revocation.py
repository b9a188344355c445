"""The states of a certificate: hold is reversible, revocation is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pki.revocation import Reason, RevocationError, State, Status, held, released, revoked
from tests.unit.pki.making import NOW

GOOD = State(status=Status.GOOD, since=NOW)
LATER = NOW + timedelta(hours=1)


def test_a_hold_can_be_released() -> None:
    on_hold = held(GOOD, now=LATER)
    assert on_hold == State(status=Status.HOLD, since=LATER)
    assert released(on_hold, now=LATER) == State(status=Status.GOOD, since=LATER)


def test_holding_again_keeps_the_first_moment() -> None:
    assert held(held(GOOD, now=NOW), now=LATER).since == NOW


def test_a_held_certificate_can_be_revoked() -> None:
    assert revoked(held(GOOD, now=NOW), Reason.KEY_COMPROMISE, now=LATER).reason is Reason.KEY_COMPROMISE


def test_a_revoked_certificate_stays_revoked() -> None:
    """RFC 5280 section 5.3.1: only certificateHold can be taken back."""
    final = revoked(GOOD, Reason.SUPERSEDED, now=NOW)
    for change in (held, released):
        with pytest.raises(RevocationError):
            change(final, now=LATER)
    with pytest.raises(RevocationError):
        revoked(final, Reason.KEY_COMPROMISE, now=LATER)
