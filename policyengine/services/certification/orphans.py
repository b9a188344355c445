"""Reservations of certificates that a crash left open, and closing them."""

from __future__ import annotations

from datetime import timedelta

from policyengine.services.changes import SALT_SIZE, AbortOrphans
from policyengine.services.ports import Clock, Entropy, Store

ABANDONED_AFTER = timedelta(minutes=10)  # a signature takes milliseconds, by a network HSM seconds


def recover(store: Store, clock: Clock, entropy: Entropy) -> None:
    """Close as aborted the reservations that a crash left open: for a server at its start, before the first check-in.

    Whoever runs beside a server must not: what is open then is the server's work in progress.
    """
    salt = entropy.draw(SALT_SIZE)
    store.apply(AbortOrphans(reason="restart", at=clock.now(), reserved_before=None, salt=salt))


def recover_beside_others(store: Store, clock: Clock, entropy: Entropy) -> None:
    """Do as `recover` does where other servers are at work: with what was left open for longer than they ever take."""
    now, salt = clock.now(), entropy.draw(SALT_SIZE)
    store.apply(AbortOrphans(reason="restart", at=now, reserved_before=now - ABANDONED_AFTER, salt=salt))
