"""What a device sends and gets: strict JSON, one spelling a value, no answer before the use case has one."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.wire import read_checkin
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.malformed_codes import MEANINGS
from policyengine.errors import PolicyEngineError
from policyengine.model.base64url import base64url
from policyengine.services.catalogue import Services
from policyengine.services.checkins.settling import Pending
from policyengine.services.errors import ConflictError, InvalidRequestError, RefusedError, UnavailableError
from policyengine.services.identification.activation import ActivationRequest
from tests.unit.api import fakes

BODY = {"nonce": "AAAA", "evidence": [{"type": "application/eat+cwt", "value": "AAAB"}]}


def check_in(client: fakes.Client, body: object) -> object:
    return client.post("/v1/checkins", json=body)


def test_a_check_in_gets_the_reply_of_the_use_case_byte_for_byte(client: fakes.Client) -> None:
    answer = check_in(client, BODY)
    assert (answer.status_code, answer.content) == (200, b'{"tier":"full"}')
    assert answer.headers["content-type"] == "application/json"


def test_the_request_reaches_the_use_case_as_values(client: fakes.Client, services: Services) -> None:
    full = {**BODY, "csr": "AAAC", "reported": {"net": {"open_ports": [22]}}, "token": "once", "key": "AAAD"}
    check_in(client, full)
    (request,) = services.checkins.requests
    assert (request.nonce, request.csr, request.token, request.key) == (b"\0\0\0", b"\0\0\2", "once", b"\0\0\3")
    assert request.reported == {"net": {"open_ports": [22]}}
    assert [(item.media_type, item.value) for item in request.evidence] == [("application/eat+cwt", b"\0\0\1")]


def test_the_request_is_named_by_the_digest_of_its_bytes() -> None:
    body = json.dumps(BODY).encode()
    assert read_checkin(body).digest == hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"nonce": 7}, "nonce"),
        ({"nonce": "AAA="}, "nonce"),
        ({"nonce": "AA+/"}, "nonce"),
        ({"nonce": "AAAAA"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"evidence": []}, "evidence"),
        ({"evidence": [{"type": "a/b", "value": "AAAA"}] * 9}, "evidence"),
        ({"evidence": [{"type": "a/b"}]}, "evidence[0]"),
        ({"evidence": [{"type": "a/b", "value": "AAAA", "more": 1}]}, "evidence[0]"),
        ({"evidence": [{"type": "a/b\n", "value": "AAAA"}]}, "evidence[0].type"),
        ({"evidence": [{"type": "", "value": "AAAA"}]}, "evidence[0].type"),
        ({"evidence": [{"type": "a/b", "value": None}]}, "evidence[0].value"),
        ({"reported": []}, "reported"),
        ({"token": 1}, "token"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_member_that_is_not_as_it_must_be_is_named(
    client: fakes.Client, change: dict[str, object], path: str
) -> None:
    answer = check_in(client, {**BODY, **change})
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "request.invalid", path)


@pytest.mark.parametrize("missing", ["nonce", "evidence"])
def test_a_missing_member_is_named(client: fakes.Client, missing: str) -> None:
    answer = check_in(client, {name: value for name, value in BODY.items() if name != missing})
    assert answer.json()["path"] == missing


def test_base64url_has_one_spelling_a_value(client: fakes.Client) -> None:
    """RFC 4648 section 3.5: unused bits are zero, else `AB` and `AA` would be one nonce with two request digests."""
    assert check_in(client, {**BODY, "nonce": "AB"}).status_code == 400
    assert check_in(client, {**BODY, "nonce": "AA"}).status_code == 200


@given(st.binary(min_size=1, max_size=100))
def test_bytes_survive_the_wire(value: bytes) -> None:
    body = json.dumps({**BODY, "nonce": base64url(value)}).encode()
    assert read_checkin(body).nonce == value


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_a_refusal(body: bytes) -> None:
    with pytest.raises(PolicyEngineError):
        read_checkin(body)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequestError("no", code="request.nonce"), 400),
        (RefusedError("not believed", code="psa.nonce", check="psa.nonce"), 403),
        (ConflictError("held by another key", code="enrolment.key-conflict"), 409),
        (UnavailableError("no storage"), 503),
    ],
)
def test_a_refusal_is_a_problem_with_its_own_code(
    client: fakes.Client, services: Services, error: PolicyEngineError, status: int
) -> None:
    services.checkins.error = error
    answer = check_in(client, BODY)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, error.code)
    assert problem["type"] == f"/problems/{error.code}"


@pytest.mark.parametrize("code", [*MEANINGS, "acme-format.broken"])
def test_bytes_that_do_not_parse_are_the_devices_fault_whatever_format_they_are_of(
    client: fakes.Client, services: Services, code: str
) -> None:
    """A 500 would send the device into a retry and the operator to the server's log, and would not name the check."""
    services.checkins.error = MalformedEvidenceError(code, "1 byte too many")
    answer = check_in(client, BODY)
    assert (answer.status_code, answer.json()["code"], answer.json()["check"]) == (400, code, code)


def test_a_refusal_names_the_failed_check_and_its_page(client: fakes.Client, services: Services) -> None:
    services.checkins.error = RefusedError("not believed", code="psa.nonce", check="psa.nonce")
    problem = check_in(client, BODY).json()
    assert (problem["check"], problem["documentation"]) == ("psa.nonce", "docs/evidence.md#checks")


def test_a_challenge_is_bound_to_the_device_that_asks(client: fakes.Client, services: Services) -> None:
    answer = client.post("/v1/challenges", json={"device_id": "gw-0001"})
    assert answer.json() == {"nonce": "_" * 64, "expires_at": "2026-11-23T12:05:00Z"}
    assert services.challenges.bound == ["gw-0001"]


def test_a_challenge_without_a_body_is_unbound(client: fakes.Client, services: Services) -> None:
    assert client.post("/v1/challenges").status_code == 200
    assert services.challenges.bound == [None]


def test_a_challenge_for_an_ill_formed_id_is_refused(client: fakes.Client) -> None:
    assert client.post("/v1/challenges", json={"device_id": "../x"}).status_code == 400


def test_public_documents_need_no_credential(client: fakes.Client) -> None:
    assert client.get("/pki/ca-bundle").headers["content-type"].startswith("application/pem-certificate-chain")
    assert client.get("/pki/trust-bundle").headers["content-type"] == "application/jose"
    assert client.get("/.well-known/jwks.json").json() == {"keys": [{"kty": "EC", "kid": "k"}]}


ACTIVATION = {"nonce": "AA", "ek": "AQ", "ak": "Ag", "ek_chain": ["Aw", "BA"]}


def test_a_tpm_gets_a_credential(client: fakes.Client, services: Services) -> None:
    """TPM 2.0 Part 1 section 24."""
    answer = client.post("/v1/tpm/activations", json=ACTIVATION)
    assert answer.json() == {"id_object": "AQ", "encrypted_secret": "Ag", "expires_at": "2026-11-23T12:05:00Z"}
    assert services.activations.asked == [
        ActivationRequest(nonce=b"\x00", ek=b"\x01", ak=b"\x02", ek_chain=(b"\x03", b"\x04"))
    ]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"ek_chain": []}, "ek_chain"),
        ({"ek_chain": ["AA"] * 9}, "ek_chain"),
        ({"ek_chain": [1]}, "ek_chain[0]"),
        ({"ak": "!"}, "ak"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_request_for_a_credential_is_read_strictly(
    client: fakes.Client, change: dict[str, object], path: str
) -> None:
    answer = client.post("/v1/tpm/activations", json=ACTIVATION | change)
    assert (answer.status_code, answer.json()["path"]) == (400, path)


@pytest.mark.parametrize("missing", sorted(ACTIVATION))
def test_a_request_for_a_credential_is_whole(client: fakes.Client, missing: str) -> None:
    answer = client.post("/v1/tpm/activations", json={k: v for k, v in ACTIVATION.items() if k != missing})
    assert (answer.status_code, answer.json()["path"]) == (400, missing)


RENEWAL = {
    "nonce": "AAAA",
    "certificate": "AAAB",
    "csr": "AAAC",
    "statement": {"type": "application/vnd.policyengine.renewal+cose", "value": "AAAD"},
}


def test_a_renewal_by_the_old_key_is_answered_with_certificate_and_chain(client: fakes.Client) -> None:
    answer = client.post("/v1/renewals", json=RENEWAL)
    assert answer.status_code == 200
    assert answer.json().keys() == {"certificate", "chain"}


def test_a_renewal_that_waits_says_for_what_and_how_long(client: fakes.Client, services: Services) -> None:
    services.renewals.answer = Pending(retry_after=60, missing=("it/posture#patched",), decision_id=fakes.DIGEST)
    answer = client.post("/v1/renewals", json=RENEWAL)
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "60")
    assert answer.json()["missing"] == ["it/posture#patched"]


@pytest.mark.parametrize("member", sorted(RENEWAL))
def test_a_renewal_without_a_member_is_told_which(client: fakes.Client, member: str) -> None:
    body = {name: value for name, value in RENEWAL.items() if name != member}
    answer = client.post("/v1/renewals", json=body)
    assert (answer.status_code, answer.json()["path"]) == (400, member)
