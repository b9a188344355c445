"""The server's protocol class: tells the application the client certificate, and bounds what a connection may cost.

uvicorn passes no client certificate to the application yet (its pull requests 3132 and 3133 are open), reads headers
without an end, and waits for a request without an end; httptools' own limits are the only others.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from asyncio.events import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.client_certificate import CHAIN_KEY, STATE_KEY
from api.problems import MEDIA_TYPE, answer_for_code

MAX_HEADER_BYTES = 32 * 1024  # a client certificate of MAX_CERTIFICATE in base64, and what proxies add
MAX_HEADERS = 100  # what nginx and Go allow as well
REQUEST_SECONDS = 30  # from the first byte awaited to the last byte of the body; a bundle of 32 MB at 9 Mbit/s

LINGER_SECONDS = 0.5  # a peer that does not answer our close_notify would hold the server's own stop for half a minute


class HeadersTooLargeError(Exception):
    """Raised inside the parser, which turns it into its own error and thereby into a 400."""


class DeviceProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with a peer certificate, a bounded head and a deadline."""

    _deadline: TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class has it
        """Remember the peer's certificate for every request of this connection (it is looked up again each time)."""
        super().connection_made(transport)
        ssl_object = transport.get_extra_info("ssl_object")
        certificate = ssl_object.getpeercert(binary_form=True) if ssl_object is not None else None
        self.app_state = {**self.app_state, STATE_KEY: certificate}
        if certificate is not None:
            self.app_state[CHAIN_KEY] = _sent_above(ssl_object)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with the connection."""
        self._met()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start counting a new request."""
        super().on_message_begin()
        self._head = 0
        self._expect_request()

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, name and value."""
        self._count(name, value)
        if len(self.headers) >= MAX_HEADERS:
            raise HeadersTooLargeError
        super().on_header(name, value)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._met()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is out; a connection that closes with it is not waited for."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._cut_soon()

    def shutdown(self) -> None:
        """Close at once when idle, else after the answer under way."""
        super().shutdown()
        if self.transport.is_closing():
            self._cut_soon()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nobody uses."""
        super().timeout_keep_alive_handler()
        self._cut_soon()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP request of ours with a problem document and close."""
        answer = answer_for_code("http.400")
        problem = {
            "type": "/problems/http.400",
            "title": answer.title,
            "status": 400,
            "code": "http.400",
            "detail": msg,
        }
        body = json.dumps(problem).encode()
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + body)
        self.transport.close()
        self._cut_soon()

    def _count(self, *parts: bytes) -> None:
        self._head += sum(map(len, parts))
        if self._head > MAX_HEADER_BYTES:
            raise HeadersTooLargeError

    def _expect_request(self) -> None:
        self._met()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_slow)

    def _met(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
        self._cut_soon()

    def _cut_soon(self) -> None:
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def _sent_above(ssl_object: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return what the client sent above its own certificate, DER.

    NOTE: public since Python 3.13 (`SSLObject.get_unverified_chain`); until then only the object beneath has it.
    """
    inner = getattr(ssl_object, "_sslobj", None)
    chain = inner.get_unverified_chain() if inner is not None else None
    return tuple(found.public_bytes(_DER) for found in (chain or ())[1:])


_DER = 2  # _ssl.ENCODING_DER
