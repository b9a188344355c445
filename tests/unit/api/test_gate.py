"""What enforcement points hear: nothing that is not an open gate can be taken for one."""

from __future__ import annotations

import base64
import ssl
from urllib.parse import quote

import pytest

from policyengine.services.catalogue import Services
from policyengine.services.errors import UnavailableError
from tests.unit.api import fakes

PEM = ssl.DER_cert_to_PEM_cert(fakes.CERTIFICATE_DER)
OPEN = "/v1/gate?for=network&device=gw-0001"
SHUT = "/v1/gate?for=update&device=gw-0001"


def test_open_gate_is_200_and_names_device_and_tier(client: fakes.Client) -> None:
    answer = client.get(OPEN, role="gate")
    assert (answer.status_code, answer.headers["x-policyengine-device"], answer.headers["x-policyengine-tier"]) == (
        200,
        "gw-0001",
        "limited",
    )


def test_shut_gate_is_403_and_says_why(client: fakes.Client) -> None:
    answer = client.get(SHUT, role="gate")
    assert (answer.status_code, answer.json()["code"], answer.headers["x-policyengine-refusal"]) == (
        403,
        "gate.tier",
        "gate.tier",
    )


def test_nobody_named_is_a_shut_gate(client: fakes.Client) -> None:
    """nginx passes an empty header on as no header, and must hear 403, not an error of its own."""
    assert client.get("/v1/gate?for=network", role="gate").status_code == 403


def test_password_of_basic_is_the_token(client: fakes.Client) -> None:
    """RFC 7617 section 2; for programs that can send nothing else."""
    value = base64.b64encode(b"anything:gate").decode()
    assert client.get(OPEN, headers={"Authorization": f"Basic {value}"}).status_code == 200


@pytest.mark.parametrize("value", ["Basic", "Basic %%%", "Basic Z2F0ZQ==", "Digest gate", "Bearer", "gate"])
def test_other_credentials_are_refused(client: fakes.Client, value: str) -> None:
    assert client.get(OPEN, headers={"Authorization": value}).status_code == 401


def test_emqx_hears_deny_with_200(client: fakes.Client) -> None:
    """EMQX takes 4xx for `ignore`, and would ask its next authenticator."""
    answer = client.post("/v1/gate?for=update&as=emqx", role="gate", json={"device": "gw-0001"})
    assert (answer.status_code, answer.json()) == (200, {"result": "deny"})


def test_emqx_hears_allow_and_until_when(client: fakes.Client) -> None:
    answer = client.post("/v1/gate?for=network&as=emqx", role="gate", json={"device": "gw-0001", "clientid": "x"})
    ends = int(fakes.NOW.timestamp()) + 3600
    assert answer.json() == {
        "result": "allow",
        "is_superuser": False,
        "client_attrs": {"tier": "limited"},
        "expire_at": ends,
    }


def test_radius_hears_reject_as_401(client: fakes.Client) -> None:
    assert client.post("/v1/gate?for=update&as=radius", role="gate", json={"device": "gw-0001"}).status_code == 401


def test_radius_session_ends_with_the_answer(client: fakes.Client) -> None:
    """RFC 2865 section 5.27."""
    answer = client.post("/v1/gate?for=network&as=radius", role="gate", json={"device": "gw-0001"})
    assert answer.json()["reply:Session-Timeout"] == {"op": ":=", "value": [3600]}


def test_form_of_a_broker_names_the_device_by_its_user(client: fakes.Client) -> None:
    body = b"username=gw-0001&password=&clientid=c1&topic=t&acc=1"
    answer = client.post(
        "/v1/gate?for=network", role="gate", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 200


def test_escaped_pem_is_the_certificate_that_was_shown(client: fakes.Client, services: Services) -> None:
    client.get("/v1/gate?for=network", role="gate", headers={"X-SSL-Client-Cert": quote(PEM)})
    assert services.gate.asked[-1].certificate == fakes.CERTIFICATE_DER  # type: ignore[attr-defined]


def test_client_cert_is_the_certificate_that_was_shown(client: fakes.Client, services: Services) -> None:
    """RFC 9440 section 2.1."""
    value = f":{base64.b64encode(fakes.CERTIFICATE_DER).decode()}:"
    client.get("/v1/gate?for=network", role="gate", headers={"Client-Cert": value})
    assert services.gate.asked[-1].certificate == fakes.CERTIFICATE_DER  # type: ignore[attr-defined]


WRONG_HEADERS = [
    {"X-SSL-Client-Cert": "garbage"},
    {"X-SSL-Client-Cert": quote(PEM + PEM)},
    {"X-SSL-Client-Cert": quote(PEM.replace("\n", "!\n", 2))},
    {"X-SSL-Client-Cert": quote(PEM), "Client-Cert": ":AAAA:"},
    {"Client-Cert": "AAAA"},
]


@pytest.mark.parametrize("headers", WRONG_HEADERS)
def test_certificate_that_cannot_be_read_opens_nothing(client: fakes.Client, headers: dict[str, str]) -> None:
    assert client.get(OPEN, role="gate", headers=headers).status_code == 400


WRONG_QUERIES = [
    "?for=network&device=gw-0001&device=gw-0002",
    "?for=network&device=gw-0001&username=gw-0002",
    "?for=network&device=gw%2F..%2F0001",
    "?for=network&device=gw-0001&as=apache",
    "?for=network&device=gw-0001&allow=1",
    "?for=network&device=%FF",
    "?" + "&".join(f"x{number}=1" for number in range(40)),
]


@pytest.mark.parametrize("query", WRONG_QUERIES)
def test_question_that_can_be_read_in_two_ways_is_refused(client: fakes.Client, query: str) -> None:
    assert client.get(f"/v1/gate{query}", role="gate").status_code == 400


def test_device_in_query_and_another_in_body_are_refused(client: fakes.Client) -> None:
    assert client.post(OPEN, role="gate", json={"device": "gw-0002"}).status_code == 400


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"device":"gw-0001","device":"gw-0002"}', b"\xff", b"[" * 3000])
def test_body_that_is_no_object_opens_nothing(client: fakes.Client, body: bytes) -> None:
    answer = client.post(
        "/v1/gate?for=network&as=emqx", role="gate", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400


def test_body_of_another_type_is_refused(client: fakes.Client) -> None:
    answer = client.post("/v1/gate?for=network", role="gate", content=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("dialect", ["status", "emqx", "radius"])
def test_storage_that_is_away_shuts_the_gate(client: fakes.Client, services: Services, dialect: str) -> None:
    services.gate.error = UnavailableError("storage does not answer")  # type: ignore[attr-defined]
    assert client.get(f"{OPEN}&as={dialect}", role="gate").status_code == 503


def test_gate_token_reads_nothing_else(client: fakes.Client) -> None:
    reads = ["/v1/devices", "/v1/devices/gw-0001", "/v1/tokens", "/v1/bundles", "/metrics"]
    assert {client.get(path, role="gate").status_code for path in reads} == {403}


def test_posture_token_names_what_it_is_for(client: fakes.Client) -> None:
    answer = client.get("/v1/devices/gw-0001/gate?for=update&aud=updates", role="gate")
    assert answer.json() == {
        "token": "jws",
        "device_id": "gw-0001",
        "for": "update",
        "aud": "updates",
        "expires_at": "2026-11-23T12:00:00Z",
    }


def test_device_without_a_certificate_gets_no_posture_token(client: fakes.Client) -> None:
    assert client.get("/v1/self/gate?for=update").status_code == 401
