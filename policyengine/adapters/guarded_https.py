"""HTTPS to addresses that somebody else named: no redirects, nothing large, nothing slow, and no way into this network.

The address a name resolves to is checked, and the connection goes to that very address: a name that means another one a
moment later gains nothing (DNS rebinding). Cloud metadata and other link-local services are never reached.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Timer
from time import monotonic
from urllib.parse import urlsplit

from policyengine.errors import PolicyEngineError

SECONDS = 5.0  # for the whole exchange; a person waits for it
MAX_ANSWER = 256 * 1024
CHUNK = 16 * 1024


class FetchError(PolicyEngineError):
    """What was asked for was not had; `code` stays the same whatever the reason."""

    code = "fetch.failed"


class GuardedHttps:
    """Asks one party's servers. `private_network`: they may stand in private networks, or on this machine."""

    def __init__(self, *, ca_file: Path | None, private_network: bool) -> None:
        self._context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._private = private_network

    def get(self, url: str) -> bytes:
        """Return the body of a 200; raises FetchError."""
        return self._content("GET", url, None, {"Accept": "application/json"})

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Return the body of a 200; raises FetchError."""
        return self._content("POST", url, body, headers)

    def tell(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Return the status that `body` is answered with, whatever else the answer holds; raises FetchError."""
        return self._exchange("POST", url, body, headers)[0]

    def _content(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        status, content = self._exchange(method, url, body, headers)
        if status != http.client.OK:
            raise FetchError(f"the server answers {status}")
        return content

    def _exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.fragment:
            raise FetchError("the address is not plain https")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection = _Pinned(parts.hostname, parts.port or 443, self._context, private=self._private)
        except ValueError as cause:
            raise FetchError("the address has no port of that number") from cause
        limit = Timer(SECONDS, connection.cut)
        limit.daemon = True
        limit.start()
        try:
            connection.request(method, path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, connection.whole(_bounded(answer))
        except (OSError, http.client.HTTPException) as cause:
            raise FetchError(f"no answer from `{parts.hostname}`: {cause}") from cause
        finally:
            limit.cancel()
            connection.close()


class _Pinned(http.client.HTTPSConnection):
    """A connection to an address that was checked, under the name that was asked for."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, *, private: bool) -> None:
        super().__init__(host, port, context=context, timeout=SECONDS)
        self._tls = context
        self._private = private
        self.is_cut = False

    def cut(self) -> None:
        """End the exchange wherever it is: a server that says a byte every few seconds meets no timeout of a read."""
        self.is_cut = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def whole(self, content: bytes) -> bytes:
        """Return what was read, if all was: without a length, what came before the cut would look like all of it."""
        if self.is_cut:
            raise FetchError(f"the answer takes longer than {SECONDS:.0f} seconds")
        return content

    def connect(self) -> None:
        """Resolve, check, and connect to what was checked; raises OSError."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [str(each[4][0]) for each in found]
        refused = [each for each in addresses if not _may_reach(each, private=self._private)]
        if refused or not addresses:  # one bad address among good ones is an attempt, not an accident
            raise OSError("its address is not one that may be reached from here")
        plain = socket.create_connection((addresses[0], self.port), SECONDS)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        if self.is_cut:
            raise OSError(f"it takes longer than {SECONDS:.0f} seconds")
        self.sock.do_handshake()


def _may_reach(text: str, *, private: bool) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    address = address if mapped is None else mapped
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
        return False
    return address.is_global or private


def _bounded(answer: http.client.HTTPResponse) -> bytes:
    deadline, content = monotonic() + SECONDS, b""
    while chunk := answer.read1(CHUNK):
        content += chunk
        if len(content) > MAX_ANSWER:
            raise FetchError(f"the answer has more than {MAX_ANSWER} bytes")
        if monotonic() > deadline:
            raise FetchError(f"the answer takes longer than {SECONDS:.0f} seconds")
    return content
