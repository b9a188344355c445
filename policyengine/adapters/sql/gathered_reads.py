"""Reads asked for in one turn of an event loop, made as one: a round trip to a database server blocks the loop.

A check-in reads once, before it decides. Where the database is a server, most of that read is the way there and back,
and every check-in that is ready in the same turn would go it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from policyengine.services.errors import UnavailableError

Found = TypeVar("Found")


@dataclass(slots=True)
class _Turn(Generic[Found]):
    """What one turn of a loop asked for so far."""

    loop: asyncio.AbstractEventLoop
    waiting: list[tuple[bytes, asyncio.Future[Found | None]]] = field(default_factory=list)


class GatheredReads(Generic[Found]):
    """One read for all keys of a turn; `read` takes distinct keys and returns what it found, by key."""

    def __init__(self, read: Callable[[Sequence[bytes]], Mapping[bytes, Found]]) -> None:
        self._read = read
        self._turn: _Turn[Found] | None = None

    async def of(self, key: bytes) -> Found | None:
        """Return what is found under `key` once the loop has gone round; raises what the read raises."""
        loop = asyncio.get_running_loop()
        turn = self._turn
        if turn is None or turn.loop is not loop:
            turn = self._turn = _Turn(loop)
            loop.call_soon(self._answer, turn)
        done: asyncio.Future[Found | None] = loop.create_future()
        turn.waiting.append((key, done))
        return await done

    def _answer(self, turn: _Turn[Found]) -> None:
        if self._turn is turn:
            self._turn = None
        waiting = [(key, done) for key, done in turn.waiting if not done.done()]  # whose caller has not gone away
        try:
            found = self._read(tuple(dict.fromkeys(key for key, _ in waiting)))
            for key, done in waiting:
                done.set_result(found.get(key))
        except UnavailableError as failure:
            for _, done in waiting:
                done.set_exception(failure)
        finally:
            for _, done in waiting:
                done.cancel()  # does nothing to one that is answered: after a fault of ours nobody waits for ever
