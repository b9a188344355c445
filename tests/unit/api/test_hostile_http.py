"""Hostile HTTP: every answer is a bounded problem document, never a traceback (research: classes 1, 17, 18, 19)."""

from __future__ import annotations

import asyncio
import json
import logging

import httpx
import pytest

from policyengine.services.catalogue import Services
from policyengine.services.checkins.checkin import CheckInReply, CheckInRequest
from tests.unit.api import fakes
from tests.unit.api.test_device_protocol import BODY

JSON = {"Content-Type": "application/json"}

DEEP = b"[" * 60_000
HOSTILE_JSON = {
    "deep-nesting": DEEP,
    "deep-objects": b'{"a":' * 12_000,
    "many-keys": b"{" + b",".join(b'"%d":1' % number for number in range(6_000)) + b"}",
    "huge-integer": b'{"nonce":' + b"9" * 60_000 + b"}",
    "not-a-number": b'{"nonce": NaN}',
    "infinity": b'{"nonce": 1e999}',
    "duplicate-key": b'{"nonce": "AAAA", "nonce": "AAAB", "evidence": []}',
    "lone-surrogate": b'{"\\ud800": 1}',
    "not-utf-8": b'{"nonce": "\xff"}',
    "byte-order-mark": b"\xef\xbb\xbf{}",
    "trailing": b"{}{}",
    "cut": b'{"nonce": "AA',
    "empty": b"",
    "null": b"null",
    "cbor": b"\xd2\x84\x43\xa1\x01\x26",
}


@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
def test_hostile_json_is_a_problem_on_the_device_route(client: fakes.Client, body: bytes) -> None:
    answer = client.post("/v1/checkins", content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert len(answer.content) < 2_000


@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
def test_hostile_json_is_a_problem_on_a_route_for_people(client: fakes.Client, body: bytes) -> None:
    answer = client.post("/v1/devices", content=body, headers=JSON, role="admin")
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 20_000


TYPES = [
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "text/plain",
    "application/cbor",
    "x",
    "",
]


@pytest.mark.parametrize("media_type", TYPES)
@pytest.mark.parametrize("path", ["/v1/checkins", "/v1/challenges", "/v1/devices", "/v1/tokens", "/v1/bundles"])
def test_another_media_type_is_refused_everywhere(client: fakes.Client, path: str, media_type: str) -> None:
    answer = client.post(path, content=b"a=b", headers={"Content-Type": media_type}, role="admin")
    assert (answer.status_code, answer.json()["code"]) == (415, "http.content-type")


def test_a_multipart_parser_is_not_even_installed() -> None:
    """CVE-2024-24762, CVE-2026-42561: what is not there cannot be made to loop."""
    with pytest.raises(ModuleNotFoundError):
        __import__("python_multipart")


def test_a_compressed_body_is_refused(client: fakes.Client) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    assert client.post("/v1/devices", content=b"\x1f\x8b", headers=headers, role="admin").status_code == 415


def test_a_declared_body_beyond_the_limit_is_refused_unread(client: fakes.Client, services: Services) -> None:
    answer = client.post("/v1/checkins", content=b" " * 70_000, headers=JSON)
    assert (answer.status_code, answer.json()["limit"]) == (413, 64 * 1024)


def test_an_undeclared_body_is_cut_at_the_limit(client: fakes.Client) -> None:
    async def chunks() -> object:
        for _ in range(1_000):
            yield b" " * 1_000

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=client.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://server") as sender:
            return await sender.post("/v1/checkins", content=chunks(), headers=JSON)

    assert asyncio.run(send()).status_code == 413


def test_a_body_beyond_the_limit_is_refused_on_a_route_for_people_too(client: fakes.Client) -> None:
    assert client.post("/v1/devices", content=b" " * 70_000, headers=JSON, role="admin").status_code == 413


def test_an_upload_has_its_own_limit(client: fakes.Client, services: Services) -> None:
    assert client.post("/v1/bundles", content=b"x" * 100_000, headers=JSON, role="admin").status_code == 201
    assert client.post("/v1/bundles", content=b"x" * 200_000, headers=JSON, role="admin").status_code == 413


def test_an_unknown_path_is_a_problem(client: fakes.Client) -> None:
    answer = client.get("/nothing/here")
    assert (answer.status_code, answer.json()["code"]) == (404, "http.404")


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(client: fakes.Client) -> None:
    answer = client.get("/v1/checkins")
    assert (answer.status_code, answer.json()["code"], answer.headers["allow"]) == (405, "http.405", "POST")


def test_head_is_get_without_the_body(client: fakes.Client) -> None:
    assert client.request("HEAD", "/v1/devices", role="admin").status_code == 200
    assert client.request("HEAD", "/nothing").status_code == 404


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "X" * 50])
def test_an_exotic_method_is_refused(client: fakes.Client, method: str) -> None:
    assert client.request(method, "/v1/devices", role="admin").status_code == 405


def test_a_fault_shows_its_request_id_and_nothing_else(
    client: fakes.Client, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    services.checkins.error = ZeroDivisionError("the secret is 42")
    with caplog.at_level(logging.ERROR, logger="policyengine.http"):
        answer = client.post("/v1/checkins", json=BODY)
    assert answer.status_code == 500
    assert answer.json().keys() == {"type", "title", "status", "code", "request_id"}
    assert "42" not in answer.text
    assert caplog.records[0].request_id == answer.json()["request_id"] == answer.headers["x-request-id"]


def test_every_answer_carries_the_security_headers(client: fakes.Client) -> None:
    for path in ("/login", "/livez", "/nothing", "/v1/devices"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["strict-transport-security"]
        assert headers["cache-control"] == "no-store"


def test_two_requests_have_two_ids(client: fakes.Client) -> None:
    assert client.get("/livez").headers["x-request-id"] != client.get("/livez").headers["x-request-id"]


def test_beyond_the_limit_requests_are_shed_before_any_work(services: Services) -> None:
    """Shed before verifying: with 4 check-ins waiting, the fifth is refused and the use case never sees it."""
    waiting = asyncio.Event()
    seen: list[CheckInRequest] = []

    class SlowCheckIns(fakes.FakeCheckIns):
        async def check_in(self, request: CheckInRequest) -> CheckInReply:
            seen.append(request)
            await waiting.wait()
            return await super().check_in(request)

    app = fakes.application(fakes.replace(services, checkins=SlowCheckIns()))

    async def storm() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://server") as sender:
            first = [asyncio.create_task(sender.post("/v1/checkins", json=BODY)) for _ in range(4)]
            while len(seen) < 4:
                await asyncio.sleep(0)
            shed = [await sender.post("/v1/checkins", json=BODY) for _ in range(5)]
            waiting.set()
            return [*await asyncio.gather(*first), *shed]

    answers = asyncio.run(storm())
    assert [answer.status_code for answer in answers] == [200] * 4 + [503] * 5
    assert len(seen) == 4
    waits = {int(answer.headers["retry-after"]) for answer in answers[4:]}
    assert len(waits) == 5, "shed clients must not come back together"
    assert answers[4].json()["code"] == "http.overloaded"


def test_a_problem_is_readable_as_json_whatever_its_fields(client: fakes.Client, services: Services) -> None:
    services.checkins.error = fakes.ConflictError("no", code="state.conflict", weird=b"\xff", many=frozenset({1}))
    assert json.loads(client.post("/v1/checkins", json=BODY).content)["many"] == [1]


@pytest.mark.parametrize(
    "device", ["a' OR 1=1 --", "%00", "..%2f..%2fetc", "a" * 200, "%E2%80%AE", "*", "{x}", "gw%0A1"]
)
def test_a_hostile_id_in_a_path_is_a_problem(client: fakes.Client, device: str) -> None:
    assert client.get(f"/v1/devices/{device}", role="admin").status_code in {400, 404, 422}
