"""What the server does beside answering.

It decides again about devices whose decision has ended, forgets old nonces, notices what is about to end, tells
webhooks what changed, and, as one of several workers, tells the others what it has counted and hears from them that
another bundle is in force.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from api.metrics import Counts, Metrics
from policyengine.adapters.shared_counts import SharedCounts
from policyengine.adapters.sql.hints import has_hints, listen
from policyengine.errors import PolicyEngineError
from policyengine.services.events.overseeing import Webhooks
from policyengine.services.events.reminding import Reminders
from policyengine.services.events.webhooks import Webhook
from policyengine.services.policies import PolicyShelf
from policyengine.services.registry.sweep import Sweep

SWEEP_SECONDS = 1.0  # how late a silent device's tier may follow the clock
SWEEP_BATCH = 64  # decided in one go, some 30 ms, so that check-ins never wait long for the interpreter
STOP_SECONDS = 10
COUNT_SECONDS = 1.0  # how late a worker's counts may reach the others
NOTICE_SECONDS = 60.0  # how late one may hear that something is about to end, of which days are left
TELL_SECONDS = 1.0  # how late a webhook may hear of a change

log = logging.getLogger("policyengine.sweep")


@contextmanager
def _beside(loops: Mapping[str, Callable[[threading.Event], None]]) -> Iterator[None]:
    """Run each of `loops` on a thread of that name for the length of the block; the event it is given ends it."""
    stop = threading.Event()
    threads = [threading.Thread(target=loop, args=(stop,), name=name, daemon=True) for name, loop in loops.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=STOP_SECONDS)


@contextmanager
def sweeping(sweep: Sweep) -> Iterator[None]:
    """Run the sweep once a second for the length of the block; a batch under way is finished first."""
    with _beside({"sweep": partial(_loop, sweep)}):
        yield


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


@contextmanager
def hearing(database: str, policies: PolicyShelf) -> Iterator[None]:
    """Let other servers on the database hint that another bundle is in force, where it can carry hints."""
    loops = {"hints": partial(listen, database, policies.look_again)} if has_hints(database) else {}
    with _beside(loops):
        yield


@contextmanager
def reminding(reminders: Reminders) -> Iterator[None]:
    """Notice once a minute what only time brings, for the length of the block."""
    with _beside({"reminders": partial(_notice, reminders)}):
        yield


def _notice(reminders: Reminders, stop: threading.Event) -> None:
    while not stop.wait(NOTICE_SECONDS):
        try:
            while not stop.is_set() and reminders.run():
                pass
        except PolicyEngineError as refusal:
            log.warning("reminders wait", extra={"code": refusal.code})


@contextmanager
def counting(metrics: Metrics, shared: SharedCounts) -> Iterator[None]:
    """Go on from what a predecessor counted, and share the counts for the length of the block, and at its end."""
    left = shared.left()
    if left is not None:
        metrics.go_on_from(Counts.read(left))
    with _beside({"counting": partial(_share, metrics, shared)}):
        yield


def _share(metrics: Metrics, shared: SharedCounts, stop: threading.Event) -> None:
    stopped = False
    while not stopped:
        stopped = stop.wait(COUNT_SECONDS)
        try:
            shared.write(metrics.counts().document())
        except OSError as cause:  # a full disk: the next second may do, and a count is nothing to stop for
            log.warning("counts cannot be shared", extra={"fault": cause.strerror})


@contextmanager
def telling(webhooks: Webhooks) -> Iterator[None]:
    """Tell each webhook what changed for the length of the block, each on a thread of its own."""
    with _beside({f"webhook-{each.name}": partial(_tell, webhooks, each) for each in webhooks.configured}):
        yield


def _tell(webhooks: Webhooks, webhook: Webhook, stop: threading.Event) -> None:
    """Tell one webhook until stopped. What storage refuses is tried again; the delivery's own failures are kept."""
    work = partial(webhooks.deliveries.run, webhook)
    while not stop.is_set():
        try:
            count = work()
        except PolicyEngineError as refusal:
            log.warning("a webhook waits", extra={"code": refusal.code})
            count = 0
        if count == 0:
            stop.wait(TELL_SECONDS)
