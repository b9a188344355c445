"""Reads that one turn of a loop asks for are one read, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from policyengine.adapters.sql.gathered_reads import GatheredReads
from policyengine.services.errors import UnavailableError


class Table:
    """Rows by key that count how often they are read."""

    def __init__(self, rows: Mapping[bytes, str]) -> None:
        self.rows = rows
        self.reads: list[Sequence[bytes]] = []

    def read(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        self.reads.append(keys)
        return {key: self.rows[key] for key in keys if key in self.rows}


def broken(_keys: Sequence[bytes]) -> Mapping[bytes, str]:
    raise UnavailableError("storage does not answer", code="store.unavailable")


async def together(reads: GatheredReads[str], *keys: bytes) -> list[str | BaseException | None]:
    return list(await asyncio.gather(*map(reads.of, keys), return_exceptions=True))


def test_keys_of_one_turn_are_read_at_once_and_each_once() -> None:
    table = Table({b"a": "A", b"b": "B"})
    found = asyncio.run(together(GatheredReads(table.read), b"a", b"b", b"a", b"c"))
    assert (found, table.reads) == (["A", "B", "A", None], [(b"a", b"b", b"c")])


def test_next_turn_reads_anew() -> None:
    """A row must not be older than the request that asks for it."""
    table = Table({b"a": "A"})
    reads = GatheredReads(table.read)

    async def twice() -> None:
        await reads.of(b"a")
        await reads.of(b"a")

    asyncio.run(twice())
    assert len(table.reads) == 2


def test_loop_that_follows_another_is_served() -> None:
    reads = GatheredReads(Table({b"a": "A"}).read)
    assert [asyncio.run(reads.of(b"a")) for _ in range(2)] == ["A", "A"]


def test_failure_reaches_everyone_who_waits() -> None:
    found = asyncio.run(together(GatheredReads(broken), b"a", b"b"))
    assert [type(each) for each in found] == [UnavailableError, UnavailableError]


def test_caller_that_went_away_does_not_keep_the_others_from_their_answer() -> None:
    reads = GatheredReads(Table({b"a": "A", b"b": "B"}).read)

    async def leave() -> str | None:
        gone = asyncio.create_task(reads.of(b"a"))
        stays = asyncio.create_task(reads.of(b"b"))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(leave()) == "B"


def test_fault_of_ours_leaves_nobody_waiting() -> None:
    def faulty(_keys: Sequence[bytes]) -> Mapping[bytes, str]:
        raise LookupError

    async def ask() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        await asyncio.wait_for(GatheredReads(faulty).of(b"a"), timeout=5)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(ask())
