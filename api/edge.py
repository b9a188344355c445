"""The outermost layer, plain ASGI: sheds load, caps bodies, names requests, sets headers, and lets no fault out as is.

Shedding comes first: a request that cannot be answered in time costs a counter, not a signature check.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.client_certificate import is_pretended
from api.errors import BadHeaderError, BodyTooLargeError, OverloadedError
from api.metrics import Metrics
from api.options import Options
from api.problems import problem_of
from pki.errors import PkiError
from policyengine.errors import PolicyEngineError

UPLOAD_PATHS = re.compile(r"/v1/(?:bundles|feeds|models/[^/]+/releases/[^/]+/(?:sbom|vex))")

CLIENT_GONE = 499  # nobody is told; the status exists for the counters only, as in nginx

RETRY_SPREAD = 16  # seconds over which shed clients come back; a storm of 1,000/s is then 60/s of retries

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"strict-transport-security", b"max-age=31536000"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-resource-policy", b"same-origin"),
)

log = logging.getLogger("policyengine.http")


class Edge:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, options: Options, metrics: Metrics) -> None:
        self.app = app
        self.options = options
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._not_http(scope, receive, send)
            return
        request = _Exchange(self, scope, receive, send)
        if self.metrics.in_flight >= self.options.max_in_flight:
            self.metrics.shed += 1
            await request.fail(_overloaded(self.metrics.shed))
            return
        self.metrics.in_flight += 1
        try:
            await request.run()
        finally:
            self.metrics.in_flight -= 1
            request.account()

    def next_id(self) -> str:
        """Return an id that no other request of this fleet's servers has."""
        self.metrics.seen += 1
        return f"{self.options.instance}-{self.metrics.seen:x}"

    async def _not_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})  # RFC 6455 section 7.4.1: we take no such data


class _Exchange:
    """One request and its response."""

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self.edge = edge
        self.method: str = scope["method"]
        # HEAD is GET whose body the server leaves out (RFC 9110 section 9.3.2); uvicorn does that by its own scope.
        self.scope = {**scope, "method": "GET"} if self.method == "HEAD" else scope
        self.id = edge.next_id()
        self.scope.setdefault("state", {})["request_id"] = self.id
        is_upload = UPLOAD_PATHS.fullmatch(scope["path"]) is not None
        self.limit = edge.options.max_upload_bytes if is_upload else edge.options.max_body_bytes
        self.status = 0
        self._receive = receive
        self._send = send
        self._received = 0
        self._started = perf_counter()

    async def run(self) -> None:
        try:
            self._check_length()
            await self.edge.app(self.scope, self.receive, self.send)
        except (BadHeaderError, BodyTooLargeError, PolicyEngineError, PkiError) as refusal:
            self.scope["state"]["code"] = getattr(refusal, "code", None)
            await self.fail(refusal)
        except ClientDisconnect:
            self.status = CLIENT_GONE
        except Exception as fault:  # the last line: no fault of ours leaves as a traceback or a cut connection
            log.exception("request failed", extra={"request_id": self.id, "fault": type(fault).__name__})
            await self.fail(fault)

    async def fail(self, error: Exception) -> None:
        if self.status:
            raise error  # the response has begun; only closing the connection tells the client
        await problem_of(error, request_id=self.id)(self.scope, self._receive, self.send)

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self.limit:
            raise BodyTooLargeError(f"the body has more than {self.limit} bytes", limit=self.limit)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *SECURITY_HEADERS, (b"x-request-id", self.id.encode())]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await self._send(message)

    def account(self) -> None:
        seconds, route = perf_counter() - self._started, route_name(self.scope)
        code: str | None = self.scope["state"].get("code")
        level = _level(self.status if code is None else max(self.status, HTTPStatus.BAD_REQUEST))
        self.edge.metrics.answered(route, self.method, self.status, seconds)
        if log.isEnabledFor(level):
            told = {"request_id": self.id, "method": self.method, "route": route, "status": self.status}
            if code is not None:
                told |= {"code": code}  # of a fault, the client is told its request id only
            if is_pretended(self.scope, trusted_proxies=self.edge.options.trusted_proxies):
                told |= {"ignored": "client-cert"}
            log.log(level, "request", extra={**told, "milliseconds": round(seconds * 1000, 2)})

    def _check_length(self) -> None:
        lengths = [value for name, value in self.scope["headers"] if name == b"content-length"]
        if not lengths:
            return
        if len(lengths) > 1 or not lengths[0].isdigit():
            raise BadHeaderError("Content-Length is not one number", header="Content-Length")
        if int(lengths[0]) > self.limit:
            raise BodyTooLargeError(f"the body has more than {self.limit} bytes", limit=self.limit)


def _level(status: int) -> int:
    # What went well is counted; a line for each of a thousand check-ins a second would tell nobody anything.
    if status >= 500:
        return logging.ERROR
    return logging.INFO if status >= 400 else logging.DEBUG


def route_name(scope: Scope) -> str:
    """Return the name of the route that took the request; paths never become labels."""
    endpoint: Callable[..., object] | None = scope.get("endpoint")
    if endpoint is None:
        return "none"
    return str(getattr(endpoint, "__name__", type(endpoint).__name__))


def _overloaded(shed: int) -> OverloadedError:
    # Successive refusals get waits that are spread evenly, which jitters a storm without drawing entropy for it.
    wait = 1 + shed * 7 % RETRY_SPREAD
    return OverloadedError("come back after the time in Retry-After", headers=(("Retry-After", str(wait)),))
