"""Group commit: one writer per process drains a queue into one transaction, and answers only after COMMIT.

A batch gathers while the one before it is being committed, and while its loop still has other changes at hand. A lost
race refuses its own change only. A batch that fails as a whole (a poison change) is repeated one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from policyengine.adapters.sql.transaction import Answer, Transactions
from policyengine.errors import PolicyEngineError
from policyengine.services.changes import Change
from policyengine.services.errors import ConflictError, UnavailableError

MAX_BATCH = 256  # a commit of this many check-ins takes some 20 ms; more only adds latency
MAX_QUEUE = 4096  # beyond it a reply would take seconds: refuse, and let the caller come back

ENOUGH = 64  # changes: sharing a commit with more saves each less than 1 % of a check-in
LINGER_SECONDS = 0.02  # a busy loop is never without work: nobody waits longer than this for company
QUIET_TURNS = 10  # of the loop: a check-in that arrives becomes a change within so many (services/turns.py)

Failure = PolicyEngineError | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    change: Change
    answer: Callable[[Failure], None]
    loop: asyncio.AbstractEventLoop | None


@dataclass(slots=True)
class _Gathering:
    """A batch that is not started yet: its loop's turns still add to it."""

    loop: asyncio.AbstractEventLoop
    until: float
    size: int = 0
    quiet: int = 0

    def goes_on(self, size: int) -> bool:
        """Return whether another turn should be waited for, `size` being what waits now."""
        self.quiet = 0 if size > self.size else self.quiet + 1
        self.size = size
        return self.quiet < QUIET_TURNS and size < ENOUGH and self.loop.time() < self.until


class GroupWriter:
    """The writer of one process. Its one thread owns every write; COMMIT leaves the interpreter free meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._driver = engine.dialect.loaded_dbapi
        self._kept: Connection | None = None
        self._transactions = Transactions(engine.dialect)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._lock = Lock()
        self._queue: deque[_Waiting] = deque()
        self._singles: deque[_Waiting] = deque()
        self._busy = False
        self._gathering: _Gathering | None = None

    async def submit(self, change: Change) -> None:
        """Return once `change` is committed; raises ConflictError or UnavailableError, nothing stored."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def answer(failure: Failure) -> None:
            if not done.done():
                done.set_result(None) if failure is None else done.set_exception(failure)

        self._enqueue(_Waiting(change, answer, loop))
        await done

    def apply(self, change: Change) -> None:
        """Do as `submit` does, blocking the calling thread."""
        failure = self.apply_all((change,))[0]
        if failure is not None:
            raise failure

    def apply_all(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        """Return, once all are settled, each change's failure (None: committed); they share commits."""
        pending: list[Future[Failure]] = []
        for change in changes:
            pending.append(Future())
            self._enqueue(_Waiting(change, pending[-1].set_result, None))
        return tuple(done.result() for done in pending)

    def close(self) -> None:
        """Return when everything queued is committed and the thread has ended."""
        self._thread.shutdown(wait=True)
        if self._kept is not None:
            self._kept.close()

    def _enqueue(self, waiting: _Waiting) -> None:
        with self._lock:
            if len(self._queue) >= MAX_QUEUE:
                raise UnavailableError("too many changes are waiting", code="store.overloaded", retry_after=1)
            self._queue.append(waiting)
        if waiting.loop is None:
            self._start_batch()
        elif not self._busy:
            self._gather(waiting.loop)

    def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a batch once `loop` has nothing else at hand: all that is ready goes into one commit."""
        if self._gathering is None or self._gathering.loop is not loop:
            self._gathering = _Gathering(loop, until=loop.time() + LINGER_SECONDS)
            loop.call_soon(self._turned, self._gathering)

    def _turned(self, gathering: _Gathering) -> None:
        if gathering.goes_on(len(self._queue)):
            gathering.loop.call_soon(self._turned, gathering)
            return
        self._gathering = None
        self._start_batch()

    def _start_batch(self) -> None:
        with self._lock:
            batch = () if self._busy else self._next_batch()
            self._busy = self._busy or bool(batch)
        if batch:
            future = self._thread.submit(self._commit, batch)
            future.add_done_callback(lambda done: self._settle(batch, done))

    def _next_batch(self) -> tuple[_Waiting, ...]:
        if self._singles:
            return (self._singles.popleft(),)
        return tuple(self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue))))

    def _commit(self, batch: Sequence[_Waiting]) -> list[Answer]:
        """Commit `batch`; its connection is kept for the next one only if this one went well."""
        kept, self._kept = self._kept, None
        connection = self._engine.connect() if kept is None else kept
        try:
            with connection.begin():
                answers, documents = self._transactions.carry_out(connection, [waiting.change for waiting in batch])
            self._kept = connection
        finally:
            if self._kept is None:
                connection.invalidate()
                connection.close()
        self._transactions.committed(documents)
        return answers

    def _settle(self, batch: Sequence[_Waiting], done: Future[list[Answer]]) -> None:
        fault = done.exception()
        if fault is None:
            _reply(batch, done.result())
        elif len(batch) > 1 and not isinstance(fault, (OperationalError, self._driver.OperationalError)):
            self._singles.extend(batch)
        else:
            _reply(batch, [self._failure(fault)] * len(batch))
        self._go_on()

    def _go_on(self) -> None:
        """Start the next batch: at the end of the loop's turn where a loop waits, at once where a thread does."""
        with self._lock:
            self._busy = False
            first = None if self._singles else next(iter(self._queue), None)
        loop = None if first is None else first.loop
        if loop is None or loop.is_closed():
            self._start_batch()
        else:
            loop.call_soon_threadsafe(self._gather, loop)

    def _failure(self, fault: BaseException) -> PolicyEngineError:
        if isinstance(fault, PolicyEngineError):
            return fault
        failure: PolicyEngineError
        if isinstance(fault, (IntegrityError, self._driver.IntegrityError)):
            failure = ConflictError("it contradicts what is stored", code="state.conflict")
        elif isinstance(fault, (SQLAlchemyError, self._driver.Error)):
            failure = UnavailableError("storage cannot take it now", code="store.unavailable")
        else:
            failure = UnavailableError("the change could not be carried out", code="store.fault")
        failure.__cause__ = fault
        return failure


def _reply(batch: Sequence[_Waiting], failures: Sequence[Failure]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Failure]]] = {}
    for waiting, failure in zip(batch, failures, strict=True):
        if waiting.loop is None:
            waiting.answer(failure)
        else:
            by_loop.setdefault(waiting.loop, []).append((waiting, failure))
    for loop, replies in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_reply_here, replies)


def _reply_here(replies: Sequence[tuple[_Waiting, Failure]]) -> None:
    for waiting, failure in replies:
        waiting.answer(failure)
