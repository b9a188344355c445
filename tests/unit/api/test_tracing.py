"""Requests as spans at a collector that speaks OTLP: bounded names, nothing of who asked and for what."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from api.tracing import OTHER_METHOD, Traced
from policyengine.adapters.telemetry import exporting
from policyengine.services.catalogue import Services
from policyengine.settings import traces_protocol, traces_wanted
from tests.support.collector import Collector, attributes, collecting
from tests.unit.api import fakes

PROXY = (ipaddress.ip_network("192.0.2.0/24"),)
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@contextmanager
def traced(services: Services, collector: Collector, *, proxies: tuple[Any, ...] = ()) -> Iterator[fakes.Client]:
    """Give a client whose requests are recorded; at the end of the block the collector has them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with exporting() as spans:
            app: FastAPI = fakes.application(services)
            yield fakes.Client(Traced(app, spans=spans, trusted_proxies=proxies))  # type: ignore[arg-type]  # plain ASGI


def recorded(
    services: Services, *requests: tuple[str, str, dict[str, Any]], proxies: tuple[Any, ...] = ()
) -> list[Any]:
    with collecting() as collector:
        with traced(services, collector, proxies=proxies) as client:
            for method, path, options in requests:
                client.request(method, path, **options)
        return collector.spans()


def test_a_request_is_a_span_of_the_server_with_the_names_of_the_metrics(services: Services) -> None:
    with collecting() as collector:
        with traced(services, collector) as client:
            answer = client.get("/v1/devices/gw-0001", role="auditor")
        (span,) = collector.spans()
    assert (span.name, span.kind) == ("GET show_device", 2)  # SPAN_KIND_SERVER
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.response.status_code": answer.status_code,
        "policyengine.route": "show_device",
        "policyengine.request_id": answer.headers["x-request-id"],
    }
    assert span.end_time_unix_nano >= span.start_time_unix_nano
    assert (collector.paths, collector.services()) == (["/v1/traces"], {"policyengine"})


def test_a_device_protocol_on_the_short_way_is_recorded_as_well(services: Services) -> None:
    (span,) = recorded(services, ("POST", "/v1/challenges", {"json": {}}))
    assert attributes(span)["policyengine.route"] != "none"


def test_nothing_of_path_query_headers_and_body_leaves(services: Services) -> None:
    secret = "s3cr3t-in-every-place"
    requests = [
        ("GET", f"/v1/devices/{secret}?{secret}={secret}", {"headers": {"x-secret": secret}, "role": secret}),
        ("POST", f"/{secret}", {"json": {secret: secret}}),
    ]
    with collecting() as collector:
        with traced(services, collector) as client:
            for method, path, options in requests:
                client.request(method, path, **options)
        assert len(collector.spans()) == 2
        assert not any(secret.encode() in each.SerializeToString() for each in collector.received)


def test_methods_that_nobody_knows_have_one_name(services: Services) -> None:
    (span,) = recorded(services, ("BREW", "/v1/devices", {}))
    assert attributes(span)["http.request.method"] == OTHER_METHOD


def test_only_a_configured_proxy_says_which_trace_a_request_is_of(services: Services) -> None:
    """W3C Trace Context section 7: what strangers say of traces is not to be believed."""
    ask = ("GET", "/livez", {"headers": TRACEPARENT})
    (believed,) = recorded(services, ask, proxies=PROXY)
    (unbelieved,) = recorded(services, ask)
    assert (believed.trace_id.hex(), believed.parent_span_id.hex()) == (TRACE, PARENT)
    assert (unbelieved.trace_id.hex() == TRACE, unbelieved.parent_span_id) == (False, b"")


def test_a_request_that_breaks_off_is_a_failed_span() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("broken")

    with collecting() as collector, pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with exporting() as spans, pytest.raises(RuntimeError):
            fakes.Client(Traced(broken, spans=spans, trusted_proxies=())).get("/")  # type: ignore[arg-type]
        (span,) = collector.spans()
    assert span.status.code == 2  # STATUS_CODE_ERROR


def test_an_operators_own_service_name_is_kept(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "policies-of-plant-a")
    with collecting() as collector:
        with traced(services, collector) as client:
            client.get("/livez")
        assert collector.services() == {"policies-of-plant-a"}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
    ],
)
def test_traces_are_sent_where_the_standard_variables_say_so(environment: dict[str, str], wanted: bool) -> None:
    assert traces_wanted(environment) is wanted


def test_the_protocol_of_traces_counts_before_the_general_one() -> None:
    named = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    assert (traces_protocol({}), traces_protocol(named)) == ("http/protobuf", "http/protobuf")


def test_a_server_without_traces_imports_nothing_of_them() -> None:
    code = (
        "import sys, policyengine.cli.telemetry as t; from policyengine.settings import from_environment as f\n"
        "with t.tracing(print, f({})) as served: assert served is print\n"
        "assert not [m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": ""})


def test_a_server_whose_extra_is_missing_says_so_and_serves() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.exporter'] = None\n"
        "import policyengine.cli.telemetry as t; from policyengine.settings import from_environment as f\n"
        "with t.tracing(print, f({})) as served: assert served is print"
    )
    asked = {"PATH": "", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    said = subprocess.run([sys.executable, "-c", code], check=True, env=asked, capture_output=True, text=True)
    assert "policyengine[otel]" in said.stderr
