"""A function of a request as a plain ASGI endpoint, which routes that are called often are: nothing stands between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Endpoint:
    """Answers with what a function returns for the request; runs on the server's own loop."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self.__name__ = answer.__name__
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)
