"""What gateways send and get: by their own certificate, strict JSON, each device's answer for itself."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime

import pytest

from api.wire import read_reports
from policyengine.services.catalogue import Services
from policyengine.services.errors import InvalidRequestError
from policyengine.services.gateways.reports import MAX_REPORTS
from tests.unit.api import fakes

PROXY = (ipaddress.ip_network("192.0.2.0/28"),)
HEADERS = {"Client-Cert": f":{base64.b64encode(fakes.GOOD_CERTIFICATE).decode()}:"}
CHECK_IN = {"nonce": "AAAA", "evidence": [{"type": "application/eat+cwt", "value": "AAAB"}]}
REPORT = {"device_id": "gw-0001", "reported": {"config": {"auto_update": True}}}


@pytest.fixture
def gateway(services: Services) -> fakes.Client:
    """A client behind a proxy that says with which certificate it came."""
    return fakes.Client(fakes.application(services, trusted_proxies=PROXY))


@pytest.mark.parametrize(("path", "body"), [("checkins", CHECK_IN), ("reports", {"reports": [REPORT]})])
def test_gateway_without_a_certificate_is_nobody(client: fakes.Client, path: str, body: object) -> None:
    assert client.post(f"/v1/gateway/{path}", json=body, headers=HEADERS).status_code == 401


def test_check_in_is_brought_by_the_certificate_of_the_connection(gateway: fakes.Client, services: Services) -> None:
    answer = gateway.post("/v1/gateway/checkins", json=CHECK_IN, headers=HEADERS)
    assert (answer.status_code, answer.content) == (200, b'{"tier":"full"}')
    assert services.relaying.brought[0][0] == fakes.GOOD_CERTIFICATE


def test_each_device_has_its_own_answer(gateway: fakes.Client) -> None:
    reports = [REPORT, {**REPORT, "device_id": "gw-0002"}]
    answer = gateway.post("/v1/gateway/reports", json={"reports": reports}, headers=HEADERS).json()["reports"]
    assert answer[0] == {"tier": "full"}
    assert (answer[1]["device_id"], answer[1]["problem"]["code"]) == ("gw-0002", "identity.unknown-device")


def test_time_of_a_report_is_read_with_its_zone() -> None:
    (said,) = read_reports(b'{"reports":[{"device_id":"x","reported":{},"observed_at":"2026-11-23T13:00:00+01:00"}]}')
    assert said.observed_at == datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{}", "reports"),
        (b'{"reports":[]}', "reports"),
        (b'{"reports":[%b]}' % b",".join([b"{}"] * (MAX_REPORTS + 1)), "reports"),
        (b'{"reports":[7]}', "reports[0]"),
        (b'{"reports":[{"device_id":"x"}]}', "reports[0].reported"),
        (b'{"reports":[{"device_id":"x","reported":{},"said":1}]}', "reports[0].said"),
        (b'{"reports":[{"device_id":"x","reported":{},"observed_at":"noon"}]}', "reports[0].observed_at"),
    ],
)
def test_what_is_no_report_is_refused_with_its_place(body: bytes, path: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_reports(body)
    assert refused.value.fields["path"] == path


def test_operator_entrusts_a_device_to_gateways(client: fakes.Client, services: Services) -> None:
    body = {"gateways": ["gw-0002"], "reason": "behind it"}
    assert client.post("/v1/devices/gw-0001/gateways", json=body, role="operations").status_code == 204
    assert services.entrusting.acts == [("gw-0001", ("gw-0002",), "behind it")]
