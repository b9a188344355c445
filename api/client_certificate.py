"""The certificate with which a device's TLS connection was made, wherever TLS ended.

Embedded, the server's protocol class puts the DER into the request's state. Behind a proxy it comes as `Client-Cert`
(RFC 9440), believed only from configured addresses; whoever reads it must look the device up again, because neither a
handshake nor a header says what the device's state is now.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress

from starlette.types import Scope

from api.errors import BadHeaderError
from api.options import Network

STATE_KEY = "tls_client_der"
CHAIN_KEY = "tls_client_chain_der"

MAX_CERTIFICATE = 16 * 1024  # ML-DSA-87 leaves have about 8 kB
MAX_CHAIN = 8  # certificates above the leaf; vendors have two or three CAs


def peer_certificate(scope: Scope, *, trusted_proxies: tuple[Network, ...]) -> bytes | None:
    """Return the DER of the client certificate, None when there is none.

    A `Client-Cert` from a peer that is no configured proxy is as if it were not there. Raises BadHeaderError for two
    values or for one that is not an RFC 8941 byte sequence (RFC 9440 section 2.1).
    """
    embedded: bytes | None = scope.get("state", {}).get(STATE_KEY)
    if embedded is not None or not is_from_proxy(scope, trusted_proxies):
        return embedded
    values = [value for name, value in scope["headers"] if name == b"client-cert"]
    if len(values) > 1:
        raise BadHeaderError("Client-Cert occurs more than once", header="Client-Cert")
    return byte_sequence(values[0]) if values else None


def peer_chain(scope: Scope, *, trusted_proxies: tuple[Network, ...]) -> tuple[bytes, ...]:
    """Return the client certificate and those sent with it, leaf first, DER; empty when there is none.

    Above the leaf nothing is believed: whoever reads it must find a path. Raises BadHeaderError as `peer_certificate`.
    """
    leaf = peer_certificate(scope, trusted_proxies=trusted_proxies)
    if leaf is None:
        return ()
    if scope.get("state", {}).get(STATE_KEY) is not None:
        return (leaf, *scope["state"].get(CHAIN_KEY, ())[:MAX_CHAIN])
    above = [
        part.strip() for name, value in scope["headers"] if name == b"client-cert-chain" for part in value.split(b",")
    ]
    if len(above) > MAX_CHAIN:
        raise BadHeaderError(f"Client-Cert-Chain has more than {MAX_CHAIN} certificates", header="Client-Cert-Chain")
    return (leaf, *map(byte_sequence, above))


def is_pretended(scope: Scope, *, trusted_proxies: tuple[Network, ...]) -> bool:
    """Tell whether a client certificate is claimed in a header by somebody who is no configured proxy."""
    named = any(name in {b"client-cert", b"client-cert-chain"} for name, _ in scope["headers"])
    return named and not is_from_proxy(scope, trusted_proxies)


def is_from_proxy(scope: Scope, trusted: tuple[Network, ...]) -> bool:
    """Return whether the other end of the connection is a configured proxy, whose headers are believed."""
    client = scope.get("client")
    if not trusted or not client:
        return False
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return False  # a Unix socket's peer has no address; name the proxy's network instead
    return any(address in network for network in trusted)


def byte_sequence(value: bytes) -> bytes:
    """Return the bytes of an RFC 8941 byte sequence; raises BadHeaderError."""
    if len(value) > 2 * MAX_CERTIFICATE or not (value.startswith(b":") and value.endswith(b":") and len(value) > 2):
        raise BadHeaderError("Client-Cert is not a byte sequence", header="Client-Cert")
    try:
        return base64.b64decode(value[1:-1], validate=True)
    except binascii.Error as cause:
        raise BadHeaderError("Client-Cert is not base64", header="Client-Cert") from cause
