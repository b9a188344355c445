"""The device side of the wire: JSON over one kept-alive TLS connection, with bounded patience."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from policyengine.errors import PolicyEngineError

TIMEOUT_SECONDS = 30  # longer than any answer of a loaded server; a silent one is reported, not waited for
MAX_ATTEMPTS = 6  # a shed or dropped request is sent again byte for byte, which the server answers alike
MAX_RETRY_AFTER_SECONDS = 5.0
MAX_ANSWER = 4 * 1024 * 1024


class UnreachableError(PolicyEngineError):
    """The server did not answer."""

    code = "client.unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer: its status and its JSON document."""

    status: int
    document: Mapping[str, object]


class Connection:
    """One kept-alive connection to `url`, trusting only the certificates in `ca_pem`."""

    def __init__(self, url: str, *, ca_pem: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname is None:
            raise UnreachableError(f"server address `{url}` is not an https address")
        self._host, self._port = parts.hostname, parts.port or 443
        self._context = ssl.create_default_context(cadata=ca_pem)
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._http: http.client.HTTPSConnection | None = None

    def present(self, certificate_file: str, key_file: str) -> None:
        """Show this client certificate in every handshake from now on."""
        self._context.load_cert_chain(certificate_file, key_file)
        self.close()

    def post(self, path: str, document: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to `document`; raises UnreachableError when there is none after MAX_ATTEMPTS."""
        return self._exchange("POST", path, json.dumps(document).encode(), headers or {})

    def upload(self, path: str, content: bytes, content_type: str) -> Answer:
        """Return the answer to `content` as it is; raises UnreachableError when there is none after MAX_ATTEMPTS."""
        return self._exchange("POST", path, content, {"Content-Type": content_type})

    def get(self, path: str) -> Answer:
        """Return the answer to a read; raises UnreachableError when there is none after MAX_ATTEMPTS."""
        return self._exchange("GET", path, None, {})

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        cause: Exception | None = None
        for attempt in range(MAX_ATTEMPTS):
            try:
                status, retry_after, content = self._once(method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                cause = error
                time.sleep(min(0.05 * 2**attempt, MAX_RETRY_AFTER_SECONDS))
                continue
            if status in (429, 503) and attempt + 1 < MAX_ATTEMPTS:
                time.sleep(min(retry_after, MAX_RETRY_AFTER_SECONDS))
                continue
            return Answer(status=status, document=_document(content))
        raise UnreachableError(f"server {self._host}:{self._port} does not answer: {reason_of(cause)}") from cause

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, float, bytes]:
        if self._http is None:
            self._http = http.client.HTTPSConnection(
                self._host, self._port, context=self._context, timeout=TIMEOUT_SECONDS
            )
        self._http.request(method, path, body=body, headers={**self._headers, **headers})
        response = self._http.getresponse()
        content = response.read(MAX_ANSWER)
        return response.status, _seconds(response.getheader("Retry-After")), content


def reason_of(cause: Exception | None) -> str:
    """Return why a connection failed, in the operating system's words and without its number."""
    return str((isinstance(cause, OSError) and cause.strerror) or cause).lower()


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() else 1.0


def _document(content: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(content)
    except ValueError:
        return {"detail": content[:200].decode("utf-8", "replace")}
    return document if isinstance(document, dict) else {"items": document}
