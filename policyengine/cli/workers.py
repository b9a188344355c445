"""Several servers on one port: who starts them, gives one that ends a successor, and stops them all (docs/adr/0036).

Each worker is a process that shares nothing with the others but the database and the files of the data directory.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection, current_process, get_context, parent_process
from multiprocessing.context import SpawnProcess
from threading import Thread

from policyengine.adapters.shared_counts import SharedCounts, empty
from policyengine.cli.server import answer, leave_on
from policyengine.errors import PolicyEngineError
from policyengine.settings import Settings

RESTART_SECONDS = 1.0  # before the next start of a worker that ended before it answered: a fault must not fill the log
STOP_SECONDS = 30  # beside the drain: a sweep under way, deliveries, and the last commits
_READY = b"1"

log = logging.getLogger("policyengine.workers")
# Started afresh and not forked: a copy of a process that has threads and connections can hang on their locks.
_SPAWN = get_context("spawn")


class WorkersError(PolicyEngineError):
    """Several workers cannot serve here."""

    code = "serve.workers"


class NoWorkerError(PolicyEngineError):
    """No worker serves, and starting another one would not help."""

    code = "fault.workers"


@dataclass(slots=True, kw_only=True)
class Worker:
    """One process that answers, or will."""

    process: SpawnProcess
    told: connection.Connection
    answers: bool = False

    def hear(self) -> None:
        """Note if it has said that it answers."""
        if not self.answers and self.told.poll():
            try:
                self.answers = self.told.recv_bytes() == _READY
            except EOFError:
                return  # it ended first, as its process tells as well

    @property
    def signs(self) -> tuple[int | connection.Connection, ...]:
        """What becomes readable when there is news of it."""
        return (self.process.sentinel,) if self.answers else (self.process.sentinel, self.told)


def demand_shareable(storage_url: str) -> None:
    """Raise WorkersError unless several processes may write to the database at `storage_url`."""
    if storage_url.startswith("sqlite:"):
        raise WorkersError(
            "several workers need PostgreSQL, as one process writes to SQLite; "
            "set POLICYENGINE_DATABASE_URL, or serve with one worker"
        )


def supervise(settings: Settings, listeners: Sequence[socket.socket], *, ready: Callable[[], None]) -> None:
    """Keep a worker on each of `listeners` until SIGTERM or SIGINT, which end in SystemExit once all have stopped.

    Calls `ready` once all answer. Raises NoWorkerError when one ends before that, or none answers any more.
    """
    from api.logs import configure

    configure(sys.stderr, level=settings.log_level)
    leave_on(signal.SIGTERM, signal.SIGINT)
    empty(settings.layout.counts)
    workers: dict[int, Worker] = {}
    try:
        for number, listener in enumerate(listeners):
            workers[number] = _started(settings, number, listener)
        _await_answers(workers)
        ready()
        while True:
            for number in _ended(workers):
                _demand_another(workers, number)
                workers[number] = _started(settings, number, listeners[number])
    finally:
        for listener in listeners:
            listener.close()  # a stop refuses at once those whom no worker will answer
        _stop(list(workers.values()), within=settings.drain_seconds + STOP_SECONDS)


def _started(settings: Settings, number: int, listener: socket.socket) -> Worker:
    heard, telling = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_work, args=(settings, listener, telling), name=f"worker-{number + 1}")
    process.start()
    telling.close()
    return Worker(process=process, told=heard)


def _await_answers(workers: dict[int, Worker]) -> None:
    while not all(worker.answers for worker in workers.values()):
        if _ended(workers):
            raise NoWorkerError("a worker ended before it answered; its own last line says why")


def _ended(workers: dict[int, Worker]) -> list[int]:
    """Return which workers have ended, once there is news of any."""
    connection.wait([sign for worker in workers.values() for sign in worker.signs])
    for worker in workers.values():
        worker.hear()
    return [number for number, worker in workers.items() if not worker.process.is_alive()]


def _demand_another(workers: dict[int, Worker], ended: int) -> None:
    """Raise NoWorkerError unless a worker beside the one that `ended` answers; waits if that one never did."""
    last = workers[ended]
    log.warning("a worker ended", extra={"worker": last.process.name, "status": last.process.exitcode})
    if not any(worker.answers and worker.process.is_alive() for worker in workers.values()):
        raise NoWorkerError("no worker answers any more; the log says how each ended")
    if not last.answers:
        time.sleep(RESTART_SECONDS)


def _stop(workers: Sequence[Worker], *, within: float) -> None:
    """Let every worker answer what it has begun and leave; one that does not in time is killed."""
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + within
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            log.warning("a worker did not stop in time and was killed", extra={"worker": worker.process.name})
            worker.process.kill()
            worker.process.join()


def _work(settings: Settings, listener: socket.socket, telling: connection.Connection) -> None:
    from policyengine.cli.main import carry_out

    leave_on(signal.SIGTERM, signal.SIGINT)
    Thread(target=_leave_with_parent, name="parent", daemon=True).start()
    carry_out(partial(_serve, settings, listener, telling))


def _serve(settings: Settings, listener: socket.socket, telling: connection.Connection) -> None:
    from policyengine.wiring import joined

    shared = SharedCounts(settings.layout.counts, current_process().name)
    with joined(settings) as installation:
        answer(settings, installation, listener, ready=partial(telling.send_bytes, _READY), shared=shared)


def _leave_with_parent() -> None:
    """Stop as on SIGTERM once the process that started this one is gone, however it went: nobody else would do it."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
