"""One span a request, for whoever records spans: the names that `/metrics` has; no path, no header, no identity.

It stands around the application only where spans are wanted; else no request meets it.
"""

from __future__ import annotations

from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.client_certificate import is_from_proxy
from api.edge import route_name
from api.options import Network

PARENT = b"traceparent"  # W3C Trace Context section 3.2
MAX_PARENT = 128  # version 00 has 55 characters
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "_OTHER"  # OpenTelemetry's name for all others, so that nobody can make new ones


class Span(Protocol):
    """What is recorded of one request."""

    def end(self, *, method: str, route: str, status: int, request_id: str) -> None:
        """End it. `status` 0: the connection broke before an answer."""
        ...


class Spans(Protocol):
    """Where spans are recorded."""

    def begin(self, parent: str | None) -> Span:
        """Return a span that begins now, below `parent` (a `traceparent`) where there is one."""
        ...


class Traced:
    """An application whose every request is recorded.

    What a caller says of its trace is believed of configured proxies only: others could have every request recorded, or
    write into the traces of others.
    """

    def __init__(self, app: ASGIApp, *, spans: Spans, trusted_proxies: tuple[Network, ...]) -> None:
        self._app = app
        self._spans = spans
        self._trusted = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and record it whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        span, status = self._spans.begin(self._parent(scope)), 0
        state = scope.setdefault("state", {})

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
            request_id = state.get("request_id", "")
            span.end(method=method, route=route_name(scope), status=status, request_id=request_id)

    def _parent(self, scope: Scope) -> str | None:
        if not is_from_proxy(scope, self._trusted):
            return None
        found = [value for name, value in scope["headers"] if name == PARENT]
        return found[0].decode("latin-1") if len(found) == 1 and len(found[0]) <= MAX_PARENT else None
