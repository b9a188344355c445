"""The whole described API over a real store: no server error, no answer out of its schema, no leak between parties."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi import checks

from api.app import create_app
from api.options import Options
from policyengine.services.actors import SYSTEM, PersonRole
from policyengine.services.ports import DeviceFilter, PageRequest
from tests.support.site import Site, ready_site

EXAMPLES = 3  # generated requests of each operation; half of a CI runner's minute buys no more
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
MINE, FOREIGN = "gw-200", frozenset({"sn-40", "plc-9"})
READS = frozenset({"GET", "HEAD"})
EXPORTS = {("POST", "/v1/evidence-exports")}  # a copy for the auditor; nothing of the fleet changes
OWN_RIGHTS = frozenset({"gate"})  # enforcement points ask with tokens of their own


@dataclass(frozen=True)
class Server:
    """An application over a site where devices of several vendors have enrolled, and a token of each role."""

    app: FastAPI
    tokens: dict[PersonRole, str]
    foreign: dict[str, str]  # by path parameter: something that is there and belongs to another vendor
    secrets: frozenset[str]  # everything that names a foreign device or what is its own

    def ask(self, method: str, path: str, role: PersonRole) -> httpx.Response:
        return asyncio.run(self._ask(method, path, role))

    async def _ask(self, method: str, path: str, role: PersonRole) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        async with httpx.AsyncClient(transport=transport, base_url="https://server", headers=headers) as client:
            return await client.request(method, path, json=body_of(path) if method == "POST" else None)

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        described = self.ask("GET", "/openapi.json", PersonRole.AUDITOR).json()
        for path, item in described["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    site = ready_site(f"sqlite:///{tmp_path_factory.mktemp('openapi') / 'store.db'}")
    healthy = site.of("healthy")
    for device in (
        next(device for device in healthy if device.planned.model == MINE),
        next(device for device in healthy if device.planned.model in FOREIGN),
        site.of("debug")[0],
    ):
        asyncio.run(site.enrol(device))
    rows = site.services.devices.list(SYSTEM, DeviceFilter(), PageRequest(limit=500)).items
    foreign = [(device, state) for device, state in rows if device.model != MINE]
    device, state = next((device, state) for device, state in foreign if state is not None)
    certificates = site.services.certificates.list(SYSTEM, PageRequest(), device_id=device.id).items
    yield Server(
        app=create_app(
            site.services,
            options=Options(instance="t", max_body_bytes=1 << 19, max_upload_bytes=1 << 25, max_in_flight=64),
        ),
        tokens={role: token(site, role) for role in PersonRole},
        foreign={
            "name": device.id,
            "decision": state.decision_id,
            "serial": certificates[0].serial,
            "model": device.model,
        },
        secrets=frozenset(
            {each.id for each, _ in foreign} | {certificates[0].serial, state.decision_id, state.key_thumbprint}
        ),
    )
    site.store.close()


def token(site: Site, role: PersonRole) -> str:
    models = frozenset({MINE}) if role is PersonRole.VENDOR else None
    made = site.services.tokens.create(SYSTEM, name=role.value, role=role, lifetime=timedelta(days=1), models=models)
    return str(made.secret)


def body_of(path: str) -> dict[str, str]:
    """Return a body with which the one thing that a vendor may propose gets as far as the model's name."""
    return {"version": "1.0.0", "corim": "AAAA"} if path.endswith("/releases") else {}


MISSING = {"name": "gw-9999", "decision": "sha256:" + "0" * 64, "serial": "abc123", "model": "gw-999"}


def said(answer: httpx.Response, name: str) -> tuple[int, object]:
    """Return what an answer tells, apart from the id that was asked for and the number of the request."""
    text = answer.text.replace(name, "NAME")
    document = json.loads(text) if text else None
    if isinstance(document, dict):
        document.pop("request_id", None)
    return answer.status_code, document


def test_no_request_makes_a_server_error_or_an_answer_out_of_its_schema(server: Server) -> None:
    """Issue 6, bad input and faults: schemathesis over the whole OpenAPI."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", server.app)
    headers = {"Authorization": f"Bearer {server.tokens[PersonRole.ADMIN]}"}
    bounded = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def attack(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    for found in schema.get_all_operations():
        bounded(given(case=found.ok().as_strategy())(attack))()


def test_what_is_another_vendors_answers_as_if_it_were_not_there(server: Server) -> None:
    """Issue 6 item 4 and service ceilings section 7, line 32: a foreign id answers like a missing one."""
    asked = 0
    for method, path, _ in server.operations():
        for parameter, foreign in server.foreign.items():
            if f"{{{parameter}}}" not in path:
                continue
            if parameter == "name" and not path.startswith("/v1/devices"):
                continue
            there, nowhere = (path.replace(f"{{{parameter}}}", name) for name in (foreign, MISSING[parameter]))
            first = said(server.ask(method, there, PersonRole.VENDOR), foreign)
            assert first == said(server.ask(method, nowhere, PersonRole.VENDOR), MISSING[parameter]), (method, path)
            asked += 1
    assert asked >= 25, "the routes with an id of a device, decision, certificate or model were not found"


def test_no_list_shows_a_vendor_what_is_not_its_own(server: Server) -> None:
    for method, path, _ in server.operations():
        if method == "GET" and "{" not in path:
            text = server.ask(method, path, PersonRole.VENDOR).text
            assert not {secret for secret in server.secrets if secret in text}, path


def test_a_filter_by_a_foreign_device_finds_as_little_as_by_a_missing_one(server: Server) -> None:
    for path in ("/v1/certificates?device=", "/v1/devices?prefix="):
        foreign, missing = server.foreign["name"], MISSING["name"]
        found = said(server.ask("GET", path + foreign, PersonRole.VENDOR), foreign)
        assert found == said(server.ask("GET", path + missing, PersonRole.VENDOR), missing), path


def test_an_auditor_may_read_everything_and_change_nothing(server: Server) -> None:
    """Issue 6 item 4."""
    refused, allowed = set(), set()
    for method, path, operation in server.operations():
        if "security" in operation and operation["x-permission"] not in OWN_RIGHTS:
            filled = path
            for parameter, name in {**MISSING, "control": "etsi:5.6-4", "token": "0" * 16}.items():
                filled = filled.replace(f"{{{parameter}}}", name)
            answer = server.ask(method, filled, PersonRole.AUDITOR)
            (refused if answer.status_code == 403 else allowed).add((method, path))
    assert not {each for each in refused if each[0] in READS}
    assert {each for each in allowed if each[0] not in READS} == EXPORTS


def test_every_operation_that_asks_for_a_token_says_so_and_refuses_without(server: Server) -> None:
    for method, path, operation in server.operations():
        answer = asyncio.run(_without_token(server.app, method, path))
        assert (answer.status_code == 401) == ("security" in operation), (method, path)


async def _without_token(app: FastAPI, method: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://server") as client:
        return await client.request(method, path, json={} if method == "POST" else None)
