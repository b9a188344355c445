"""What the server does beside answering: decides again about devices whose decision has ended, forgets old nonces."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from policyengine.errors import PolicyEngineError
from policyengine.services.registry.sweep import Sweep

SWEEP_SECONDS = 1.0  # how late a silent device's tier may follow the clock
SWEEP_BATCH = 64  # decided in one go, some 30 ms, so that check-ins never wait long for the interpreter
STOP_SECONDS = 10

log = logging.getLogger("policyengine.sweep")


@contextmanager
def sweeping(sweep: Sweep) -> Iterator[None]:
    """Run the sweep once a second for the length of the block; a batch under way is finished first."""
    stop = threading.Event()
    thread = threading.Thread(target=_loop, args=(sweep, stop), name="sweep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=STOP_SECONDS)


def _loop(sweep: Sweep, stop: threading.Event) -> None:
    while not stop.wait(SWEEP_SECONDS):
        _round(sweep, stop)


def _round(sweep: Sweep, stop: threading.Event) -> None:
    """Sweep and prune until nothing is due. A refusal (storage away, no bundle yet) is tried again a second later."""
    try:
        while not stop.is_set():
            count = sweep.run(limit=SWEEP_BATCH)
            if count == 0:
                break
            log.info("devices were decided again", extra={"count": count})
        while not stop.is_set() and sweep.prune():
            pass
    except PolicyEngineError as refusal:
        log.warning("the sweep waits", extra={"code": refusal.code})
