"""Idempotency-Key on requests that act (draft-ietf-httpapi-idempotency-key-header): a retry gets the first answer.

Kept in this process's memory and for a short time, because an answer may hold a secret that is shown once; a retry
after a restart is met by the use case's own guards (content addresses, conflicts).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Response

from api.errors import BadHeaderError, KeyReusedError

MAX_KEY = 128
MAX_REMEMBERED = 1024  # answers of at most a few kilobytes; the oldest are forgotten first


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The request a key was first used for, and its answer."""

    fingerprint: bytes
    response: Response


class Memory:
    """Answers by idempotency key, the newest MAX_REMEMBERED of them."""

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, Remembered] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, key: bytes, fingerprint: bytes, create: Callable[[], Response]) -> Response:
        """Return the remembered answer of `key`, else what `create` answers now. Raises KeyReusedError.

        One lock for all keys: acts are rare, and two uses of one key at once must not both act.
        """
        with self._lock:
            known = self._answers.get(key)
            if known is None:
                known = Remembered(fingerprint=fingerprint, response=create())
                self._answers[key] = known
                while len(self._answers) > MAX_REMEMBERED:
                    self._answers.popitem(last=False)
        if known.fingerprint != fingerprint:
            raise KeyReusedError("the Idempotency-Key came before with another request")
        return known.response


class OnceOnly:
    """What one request does at most once."""

    def __init__(self, memory: Memory, key: bytes | None, fingerprint: bytes) -> None:
        self._memory = memory
        self._key = key
        self._fingerprint = fingerprint

    def answer(self, create: Callable[[], Response]) -> Response:
        """Return what `create` answers, or answered before under the same key."""
        if self._key is None:
            return create()
        return self._memory.answer(self._key, self._fingerprint, create)

    def done(self, act: Callable[[], object]) -> Response:
        """Return 204 when `act` is done, or was before under the same key."""

        def nothing_to_say() -> Response:
            act()
            return Response(status_code=HTTPStatus.NO_CONTENT)

        return self.answer(nothing_to_say)


async def _once(request: Request) -> OnceOnly:
    memory: Memory = request.app.state.idempotency
    values = request.headers.getlist("idempotency-key")
    if not values:
        return OnceOnly(memory, None, b"")
    if len(values) > 1 or not 0 < len(values[0]) <= MAX_KEY:
        raise BadHeaderError(f"Idempotency-Key is one value of 1 to {MAX_KEY} characters", header="Idempotency-Key")
    # The caller's credential is part of the key: nobody gets an answer that was made for somebody else.
    caller = request.headers.get("authorization", "")
    key = hashlib.sha256("\0".join((caller, request.url.path, values[0])).encode()).digest()
    asked = repr(await request.json()) if await request.body() else ""
    return OnceOnly(memory, key, hashlib.sha256(asked.encode()).digest())


Once = Annotated[OnceOnly, Depends(_once)]
