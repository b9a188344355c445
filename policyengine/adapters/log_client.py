"""Reading a log that somebody else runs: bytes by path below its prefix, over HTTP(S), bounded."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from policyengine.adapters.device_client import UnreachableError, reason_of

TIMEOUT_SECONDS = 30  # as for devices: a silent server is reported, not waited for
MAX_ANSWER = 16 * 1024 * 1024 + 1024  # an entry bundle of 256 of the longest entries


class LogClient:
    """One connection to the log at `url`, such as `https://server:8443/log`; `ca` None: the system's trust."""

    def __init__(self, url: str, *, ca: Path | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or parts.hostname is None:
            raise UnreachableError(f"log address `{url}` is not an http or https address")
        self._prefix = parts.path.rstrip("/")
        self._address = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        host, port = parts.hostname, parts.port
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=None if ca is None else str(ca))
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, context=context, timeout=TIMEOUT_SECONDS
            )
        else:
            self._http = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)

    def fetch(self, path: str) -> bytes:
        """Return the bytes at `path` below the log's prefix; raises UnreachableError for any other answer than 200."""
        try:
            self._http.request("GET", f"{self._prefix}/{path}")
            response = self._http.getresponse()
            content = response.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as cause:
            raise UnreachableError(f"log at {self._address} does not answer: {reason_of(cause)}") from cause
        if response.status != http.HTTPStatus.OK:
            raise UnreachableError(f"log at {self._address} answers {response.status} for `{path}`")
        return content
