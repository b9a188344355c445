"""EST on the wire: both forms of base64, credentials, and protocol-correct refusals (RFC 7030, RFC 8951)."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.serialization import pkcs7

from policyengine.services.checkins.settling import Pending
from tests.unit.api import fakes

CSR = bytes(range(200))
PATH = "/.well-known/est/simpleenroll"


def basic(password: str, *, user: str = "gw-0001") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def client() -> tuple[fakes.Client, fakes.FakeEst]:
    services = fakes.services()
    return fakes.Client(fakes.application(services)), services.est


def enrol(wire: fakes.Client, body: bytes, **headers: str):
    given = {"Content-Type": "application/pkcs10", **basic("good"), **headers}
    return wire.post(PATH, content=body, headers=given)


@pytest.mark.parametrize(
    "body",
    [base64.b64encode(CSR), base64.encodebytes(CSR), base64.encodebytes(CSR).replace(b"\n", b"\r\n")],
    ids=["one-line", "lines", "crlf"],
)
def test_both_forms_of_base64_are_taken(body: bytes) -> None:
    """RFC 8951 section 3.1: no line breaks are demanded and none are refused."""
    wire, est = client()
    assert enrol(wire, body).status_code == 200
    assert est.asked[0][0] == CSR


def test_a_request_in_the_lines_of_pem_is_told_to_leave_them_out() -> None:
    """RFC 8951 section 3.1: the body is base64 and nothing around it."""
    lines = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(CSR) + b"-----END CERTIFICATE REQUEST-----\n"
    answer = enrol(client()[0], lines)
    assert (answer.status_code, "PEM" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("encoding", [{}, {"Content-Transfer-Encoding": "base64"}], ids=["absent", "said"])
def test_the_transfer_encoding_may_be_said_or_not(encoding: dict[str, str]) -> None:
    """RFC 8951 section 3.2.1: servers ignore the header."""
    assert enrol(client()[0], base64.b64encode(CSR), **encoding).status_code == 200


def test_the_certificate_comes_as_certs_only() -> None:
    """RFC 7030 section 4.2.3."""
    answer = enrol(client()[0], base64.b64encode(CSR))
    assert answer.headers["content-type"] == "application/pkcs7-mime; smime-type=certs-only"
    assert len(pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content))) == 1


def test_one_who_shows_nothing_is_asked_for_credentials() -> None:
    """RFC 7030 section 3.2.3: 401 with a challenge."""
    answer = client()[0].post(PATH, content=base64.b64encode(CSR), headers={"Content-Type": "application/pkcs10"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_client_that_is_too_early_is_told_when_to_come_back() -> None:
    """RFC 7030 section 4.2.3: 202 with Retry-After."""
    wire, est = client()
    est.answer = Pending(retry_after=60, missing=("engineering/boot#secure",))
    answer = enrol(wire, base64.b64encode(CSR))
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "60")
    assert "engineering/boot#secure" in answer.text


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"%%%", "application/pkcs10", 400, "csr.encoding"),
        (base64.b64encode(bytes(40_000)), "application/pkcs10", 400, "csr.oversized"),
        (base64.b64encode(CSR), "application/json", 415, "http.content-type"),
    ],
    ids=["no-base64", "oversized", "media-type"],
)
def test_a_body_that_is_no_request_is_refused(body: bytes, content_type: str, status: int, code: str) -> None:
    answer = enrol(client()[0], body, **{"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "authorization",
    ["Bearer x", "Basic", "Basic !!", "Basic " + base64.b64encode(b"no-colon").decode(), basic("")["Authorization"]],
)
def test_authorization_that_is_no_basic_password_is_refused(authorization: str) -> None:
    answer = enrol(client()[0], base64.b64encode(CSR), Authorization=authorization)
    assert answer.status_code in {400, 401}


def test_a_label_is_handed_to_the_use_case() -> None:
    wire, est = client()
    path = PATH.replace("simpleenroll", "gateway/simpleenroll")
    wire.post(path, content=base64.b64encode(CSR), headers={"Content-Type": "application/pkcs10", **basic("good")})
    assert est.asked[0][2] == "gateway"


@pytest.mark.parametrize("operation", ["cacerts", "csrattrs"])
def test_a_label_nobody_has_is_missing(operation: str) -> None:
    assert client()[0].get(f"/.well-known/est/nobody/{operation}").status_code == 404


def test_csrattrs_without_a_device_or_label_say_nothing() -> None:
    """RFC 7030 section 4.5.2: 204 when no attributes are required."""
    assert client()[0].get("/.well-known/est/csrattrs").status_code == 204
