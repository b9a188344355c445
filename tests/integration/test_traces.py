"""`policyengine serve` with OpenTelemetry's variables set sends a span of each request to a collector."""

from __future__ import annotations

from pathlib import Path

from tests.integration.real_site import expect, running
from tests.support.collector import attributes, collecting


def test_a_server_sends_the_spans_that_are_left_when_it_stops(tmp_path: Path) -> None:
    with collecting() as collector:
        with running(tmp_path / "data", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as server:
            wire = server.connection()
            expect(wire.get("/livez"), 200)
            wire.close()
        names = [span.name for span in collector.spans()]
        assert names == ["GET livez"]
        assert attributes(collector.spans()[0])["http.response.status_code"] == 200
