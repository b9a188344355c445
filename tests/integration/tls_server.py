"""A real uvicorn with TLS on loopback, in a thread of the test, over whatever application a test gives it."""

from __future__ import annotations

import datetime as dt
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from starlette.types import ASGIApp

from api.protocol import DeviceProtocol
from api.tls import LiveContext, ServerKeys, Trust
from policyengine.errors import PolicyEngineError

NOW = dt.datetime.now(dt.UTC)
PASSPHRASE = b"correct horse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ca:
    """A test CA."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def new_ca(name: str) -> Ca:
    """Return a self-signed CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = _builder(subject, subject, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(*(index == 5 for index in range(7)), encipher_only=False, decipher_only=False)
    return Ca(key=key, certificate=built.add_extension(usage, critical=True).sign(key, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int = 2
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(
            issuer_name=issuer,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
        )
        .not_valid_before(NOW - dt.timedelta(days=10))
        .not_valid_after(NOW + dt.timedelta(days=days))
    )


def leaf(ca: Ca, folder: Path, name: str, *, days: int = 2, passphrase: bytes | None = None) -> tuple[Path, Path]:
    """Return the PEM files of a certificate by `ca` and its key; a negative `days` makes it expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = _builder(subject, ca.certificate.subject, key, days=days)
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    certificate = built.sign(ca.key, hashes.SHA256())
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    chain_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    chain_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return chain_file, key_file


class Trusting:
    """Trust that a test changes while the server runs."""

    def __init__(self, *authorities: Ca) -> None:
        self.generation = 1
        self.authorities = authorities
        self.readings = 0
        self.damaged = False

    def set(self, *authorities: Ca) -> None:
        self.authorities = authorities
        self.generation += 1

    @property
    def trust(self) -> Trust:
        return Trust(generation=lambda: self.generation, authorities=self._read)

    def _read(self) -> str:
        self.readings += 1
        if self.damaged:
            raise PolicyEngineError("damaged")
        return "".join(ca.pem for ca in self.authorities)


@contextmanager
def serving(
    app: ASGIApp, *, folder: Path, server_ca: Ca, trust: Trusting, http: type[DeviceProtocol] = DeviceProtocol
) -> Iterator[int]:
    """Run `app` behind TLS for the length of the block; yields the port."""
    chain, key = leaf(server_ca, folder, "server", passphrase=PASSPHRASE)
    live = LiveContext(ServerKeys(chain=chain, key=key, passphrase=PASSPHRASE), trust.trust)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=http,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=60,
        ssl_context_factory=lambda _config, _default: live.context,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"


def client_context(server_ca: Ca, identity: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return a device's TLS context."""
    context = ssl.create_default_context(cadata=server_ca.pem)
    if identity is not None:
        context.load_cert_chain(*identity)
    return context


@contextmanager
def connect(port: int, context: ssl.SSLContext) -> Iterator[http.client.HTTPSConnection]:
    """Yield a connection that stays open between requests."""
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def get(connection: http.client.HTTPSConnection, path: str) -> tuple[int, bytes]:
    """Return status and body."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()
