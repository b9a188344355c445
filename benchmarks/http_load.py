"""A small HTTP/1.1 load generator: keep-alive connections, one request at a time on each, latencies and a rate."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from time import perf_counter

import uvloop

Request = Callable[[], bytes]  # makes the next request's body
Reply = Callable[[int, bytes], None]  # takes status and body


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one run saw; latencies in milliseconds."""

    rate: float
    answered: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One connection's requests, in order; with `tls` it shows a client certificate of its own.

    A request by GET stands in the path instead of the body. `every` seconds one is due (0: when the last is answered);
    one that could not be sent in time waits from then on, and that counts.
    """

    request: Request
    reply: Reply
    content_type: str = "application/json"
    tls: ssl.SSLContext | None = None
    verb: str = "POST"
    every: float = 0.0


def run(callers: Sequence[Caller], *, port: int, path: str, seconds: float, tls: ssl.SSLContext | None) -> Load:
    """Return what `callers` saw when each called `path` for `seconds`, all at once."""
    return uvloop.run(_run(callers, port=port, path=path, seconds=seconds, tls=tls))


async def _run(callers: Sequence[Caller], *, port: int, path: str, seconds: float, tls: ssl.SSLContext | None) -> Load:
    wires = [await asyncio.open_connection("localhost", port, ssl=caller.tls or tls) for caller in callers]
    latencies: list[float] = []
    start = perf_counter()
    pairs = zip(wires, callers, strict=True)
    await asyncio.gather(*(_call(*wire, caller, path, start + seconds, latencies) for wire, caller in pairs))
    spent = perf_counter() - start
    for _, writer in wires:
        writer.transport.abort()
    cuts = quantiles(latencies, n=100)
    return Load(rate=len(latencies) / spent, answered=len(latencies), p50=cuts[49] * 1000, p99=cuts[98] * 1000)


async def _call(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    caller: Caller,
    path: str,
    until: float,
    latencies: list[float],
) -> None:
    due = perf_counter() + caller.every * random.random()  # connections are not in step
    while max(due, perf_counter()) < until:
        await asyncio.sleep(due - perf_counter())
        message = _message(caller, path)
        sent, due = due if caller.every else perf_counter(), due + caller.every
        writer.write(message)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        content = await reader.readexactly(length)
        latencies.append(perf_counter() - sent)
        caller.reply(int(answer[9:12]), content)


def _message(caller: Caller, path: str) -> bytes:
    request = caller.request()
    if caller.verb == "GET":
        return f"GET {path}/{request.decode()} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {caller.content_type}\r\n"
    return f"{head}content-length: {len(request)}\r\n\r\n".encode() + request
