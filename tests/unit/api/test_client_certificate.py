"""Where a client certificate may come from, and that the store is asked on every request (research: class 31)."""

from __future__ import annotations

import base64
import ipaddress

import pytest

from api.client_certificate import STATE_KEY, peer_certificate
from api.errors import BadHeaderError
from api.problems import problem_of
from pki.errors import PathError
from policyengine.services.catalogue import Services
from policyengine.services.errors import RefusedError
from tests.unit.api import fakes

PROXY = (ipaddress.ip_network("192.0.2.0/28"),)
HEADER = ":" + base64.b64encode(fakes.GOOD_CERTIFICATE).decode() + ":"


def scope(*headers: tuple[str, str], peer: str = "192.0.2.1", tls: bytes | None = None) -> dict[str, object]:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return {"headers": raw, "client": (peer, 1), "state": {STATE_KEY: tls}}


def test_a_configured_proxy_is_believed() -> None:
    """RFC 9440 section 2.2."""
    assert peer_certificate(scope(("Client-Cert", HEADER)), trusted_proxies=PROXY) == fakes.GOOD_CERTIFICATE


@pytest.mark.parametrize(
    "name", ["Client-Cert", "Client_Cert", "X-SSL-Client-Cert", "X_SSL_CLIENT_CERT", "Ssl-Client-Cert"]
)
def test_a_header_from_elsewhere_is_as_if_it_were_not_there(name: str) -> None:
    """RFC 9440 section 4: anyone can send the header."""
    spoofed = scope((name, HEADER), peer="192.0.2.99")
    assert peer_certificate(spoofed, trusted_proxies=PROXY) is None


@pytest.mark.parametrize("name", ["Client_Cert", "X-SSL-Client-Cert", "X_SSL_CLIENT_CERT"])
def test_a_similar_header_from_the_proxy_is_not_the_header(name: str) -> None:
    assert peer_certificate(scope((name, HEADER)), trusted_proxies=PROXY) is None


def test_no_proxy_is_believed_unless_configured() -> None:
    assert peer_certificate(scope(("Client-Cert", HEADER)), trusted_proxies=()) is None


def test_two_values_are_refused() -> None:
    with pytest.raises(BadHeaderError):
        peer_certificate(scope(("Client-Cert", HEADER), ("Client-Cert", HEADER)), trusted_proxies=PROXY)


@pytest.mark.parametrize(
    "value", ["", "::", "x", HEADER + ", " + HEADER, ":####:", ":" + "A" * 40_000 + ":", "{http.tls}"]
)
def test_a_value_that_is_no_byte_sequence_is_refused(value: str) -> None:
    """RFC 9440 section 2.1, RFC 8941 section 3.3.5; a misconfigured proxy may send its own placeholder."""
    with pytest.raises(BadHeaderError):
        peer_certificate(scope(("Client-Cert", value)), trusted_proxies=PROXY)


def test_the_connection_wins_over_the_header() -> None:
    found = peer_certificate(scope(("Client-Cert", HEADER), tls=b"from tls"), trusted_proxies=PROXY)
    assert found == b"from tls"


def test_a_gate_without_a_certificate_answers_401(services: Services) -> None:
    assert fakes.Client(fakes.application(services)).get("/v1/self").status_code == 401


def test_a_gate_learns_the_device_behind_a_good_certificate(services: Services) -> None:
    client = fakes.Client(fakes.application(services, trusted_proxies=PROXY))
    assert client.get("/v1/self", headers={"Client-Cert": HEADER}).json()["device_id"] == "gw-0001"


def test_a_revoked_device_is_refused_at_the_next_request(services: Services) -> None:
    class Revoking(fakes.FakeCertificates):
        revoked = False

        def identify(self, certificate: bytes) -> fakes.DeviceId:
            if self.revoked:
                raise RefusedError("the certificate is revoked", check="certificate.status")
            return super().identify(certificate)

    certificates = Revoking()
    found = fakes.replace(services, certificates=certificates)
    client = fakes.Client(fakes.application(found, trusted_proxies=PROXY))
    before = client.get("/v1/self", headers={"Client-Cert": HEADER}).status_code
    certificates.revoked = True
    assert (before, client.get("/v1/self", headers={"Client-Cert": HEADER}).status_code) == (200, 403)


def test_a_proxy_that_hands_on_bytes_which_are_no_certificate_is_told_so() -> None:
    """RFC 9440 section 2.1 is kept by its form alone; what stands inside is still the peer's to choose."""
    found = problem_of(PathError("certificate cannot be read", code="path.malformed"))
    assert (found.status_code, b"path.malformed" in found.body) == (400, True)
