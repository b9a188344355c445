"""The server over real TLS with real client certificates (DESIGN section 10, research note on device TLS identity)."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import protocol
from policyengine.model.ids import DeviceId
from policyengine.services.errors import RefusedError
from tests.integration.tls_server import Ca, Trusting, client_context, connect, get, leaf, new_ca, serving
from tests.unit.api import fakes


class Registry(fakes.FakeCertificates):
    """Knows every certificate it is shown; a test revokes them all at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []
        self.revoked = False

    def identify(self, certificate: bytes) -> DeviceId:
        self.seen.append(certificate)
        if self.revoked:
            raise RefusedError("the certificate is revoked", check="certificate.status")
        return DeviceId("gw-0001")


class Site:
    """A running server, its CAs, and the identities of its devices."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server_ca, self.device_ca, self.foreign_ca = new_ca("server CA"), new_ca("device CA"), new_ca("foreign CA")
        self.trust = Trusting(self.device_ca)
        self.registry = Registry()
        self.port = 0

    def identity(self, ca: Ca, name: str = "gw-0001", *, days: int = 2) -> ssl.SSLContext:
        return client_context(self.server_ca, leaf(ca, self.folder, name, days=days))

    @property
    def anonymous(self) -> ssl.SSLContext:
        return client_context(self.server_ca)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    app = fakes.application(fakes.replace(fakes.services(), certificates=made.registry))
    with serving(app, folder=tmp_path, server_ca=made.server_ca, trust=made.trust) as port:
        made.port = port
        yield made


def test_the_certificate_of_the_handshake_reaches_the_use_case(site: Site) -> None:
    with connect(site.port, site.identity(site.device_ca)) as connection:
        status, body = get(connection, "/v1/self")
    expected = ssl.PEM_cert_to_DER_cert((site.folder / "gw-0001.pem").read_text())
    assert (status, json.loads(body)["device_id"], site.registry.seen) == (200, "gw-0001", [expected])


def test_a_device_without_a_certificate_is_served_what_needs_none(site: Site) -> None:
    with connect(site.port, site.anonymous) as connection:
        assert (get(connection, "/livez")[0], get(connection, "/v1/self")[0]) == (200, 401)


@pytest.mark.parametrize("case", ["foreign", "expired"])
def test_a_foreign_or_expired_certificate_dies_in_the_handshake(site: Site, case: str) -> None:
    context = site.identity(site.foreign_ca) if case == "foreign" else site.identity(site.device_ca, days=-1)
    assert not _is_served(site, context)
    assert site.registry.seen == []


def test_revocation_is_seen_on_a_connection_that_is_already_open(site: Site) -> None:
    """The state is looked up on every request, never taken from the handshake."""
    with connect(site.port, site.identity(site.device_ca)) as connection:
        before = get(connection, "/v1/self")[0]
        site.registry.revoked = True
        assert (before, get(connection, "/v1/self")[0]) == (200, 403)


def test_revocation_is_seen_on_a_resumed_session(site: Site) -> None:
    """TLS 1.3 resumption shows the old certificate without any new proof; only the lookup helps."""
    context = site.identity(site.device_ca)
    with _open(site.port, context) as first:
        before, session = _self(first), first.session
    site.registry.revoked = True
    with _open(site.port, context, session=session) as second:
        after = _self(second)
    assert (before[:12], after[:12]) == (b"HTTP/1.1 200", b"HTTP/1.1 403")


def _open(port: int, context: ssl.SSLContext, *, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(raw, server_hostname="localhost", session=session)


def _self(connection: ssl.SSLSocket) -> bytes:
    connection.sendall(b"GET /v1/self HTTP/1.1\r\nhost: localhost\r\n\r\n")
    return connection.recv(65536)


def test_a_ca_added_while_running_is_believed(site: Site) -> None:
    site.trust.set(site.device_ca, site.foreign_ca)
    assert _is_served(site, site.identity(site.foreign_ca))


def test_a_ca_removed_while_running_is_no_longer_believed(site: Site) -> None:
    before = _is_served(site, site.identity(site.device_ca))
    site.trust.set(site.foreign_ca)
    assert (before, _is_served(site, site.identity(site.device_ca))) == (True, False)


def test_trust_is_read_when_it_changes_and_not_in_every_handshake(site: Site) -> None:
    """A handshake needs no credential; reading the bundle in each would let a stranger hold the server with them."""
    before = site.trust.readings
    assert all(_is_served(site, site.anonymous) for _ in range(5))
    same = site.trust.readings
    site.trust.set(site.device_ca)
    assert all(_is_served(site, site.anonymous) for _ in range(5))
    assert (same, site.trust.readings) == (before, before + 1)


def test_trust_that_cannot_be_read_leaves_the_one_before_and_the_server_up(site: Site) -> None:
    """Service ceilings section 8: a damaged bundle leaves the last good one in force, for handshakes too."""
    site.trust.damaged = True
    site.trust.set(site.foreign_ca)
    assert (_is_served(site, site.identity(site.device_ca)), _is_served(site, site.anonymous)) == (True, True)


def _is_served(site: Site, context: ssl.SSLContext) -> bool:
    """Tell whether a new connection gets an answer; in TLS 1.3 the refusal comes with the first read."""
    with connect(site.port, context) as connection:
        try:
            return get(connection, "/livez")[0] == 200
        except (ssl.SSLError, ConnectionError):
            return False


def test_a_client_cert_header_from_a_device_is_ignored(site: Site) -> None:
    with connect(site.port, site.anonymous) as connection:
        connection.request("GET", "/v1/self", headers={"Client-Cert": ":Z29vZA==:"})
        assert connection.getresponse().status == 401


def test_tls_1_1_is_refused(site: Site) -> None:
    context = site.anonymous
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    assert not _is_served(site, context)


def _raw(site: Site, sent: bytes) -> bytes:
    with _open(site.port, site.anonymous) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


POST = b"POST /v1/checkins HTTP/1.1\r\nhost: x\r\n"
HEAD = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n"
MALFORMED = {
    "no-http": b"\x16\x03\x01garbage\r\n\r\n",
    "header-bomb": HEAD + b"x: " + b"a" * protocol.MAX_HEADER_BYTES + b"\r\n\r\n",
    "many-headers": HEAD + b"".join(b"x%d: y\r\n" % at for at in range(protocol.MAX_HEADERS + 1)) + b"\r\n",
    "endless-url": b"GET /" + b"a" * (protocol.MAX_HEADER_BYTES + 1) + b" HTTP/1.1\r\n\r\n",
    "smuggling": POST + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two-lengths": POST + b"content-length: 4\r\ncontent-length: 5\r\n\r\nabcd",
    "folded-header": HEAD + b"x: a\r\n b\r\n\x00\r\n\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_bytes_that_are_no_request_of_ours_get_a_problem_and_the_connection_closes(site: Site, sent: bytes) -> None:
    """RFC 9112 sections 6.3 and 11.2: what can be read in two ways is refused."""
    head, _, body = _raw(site, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "http.400"


def test_a_request_that_never_ends_is_cut(tmp_path: Path) -> None:
    """Slowloris: what is not a whole request by the deadline is not waited for."""

    class Impatient(protocol.DeviceProtocol):
        def _expect_request(self) -> None:
            self._met()
            self._deadline = self.loop.call_later(0.05, self._too_slow)

    server_ca = new_ca("server CA")
    app = fakes.application(fakes.services())
    trust = Trusting(new_ca("device CA"))
    with (
        serving(app, folder=tmp_path, server_ca=server_ca, trust=trust, http=Impatient) as port,
        _open(port, client_context(server_ca)) as connection,
    ):
        connection.sendall(POST + b"content-type: application/json\r\ncontent-length: 9\r\n\r\n{")
        assert connection.recv(1) == b""


def test_an_idle_client_that_never_closes_does_not_hold_the_server(tmp_path: Path) -> None:
    """A stop that waits for every device's close_notify would never end; `serving` asserts that it does."""
    server_ca = new_ca("server CA")
    app = fakes.application(fakes.services())
    held = contextlib.ExitStack()
    with held, serving(app, folder=tmp_path, server_ca=server_ca, trust=Trusting(new_ca("device CA"))) as port:
        connection = held.enter_context(_open(port, client_context(server_ca)))
        connection.sendall(HEAD + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
