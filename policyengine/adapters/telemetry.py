"""Spans sent to a collector by OTLP over HTTP, from a thread of OpenTelemetry's SDK (extra `otel`).

Where to, how often and how many, the SDK reads from its own variables (`OTEL_*`). What cannot be sent is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

SERVICE = "policyengine"
_UNNAMED = "unknown_service"  # what the SDK calls a service whose name nobody set


class RecordedSpan:
    """A span under way."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self, *, method: str, route: str, status: int, request_id: str) -> None:
        """End it, with the attributes of OpenTelemetry's conventions for HTTP servers."""
        self._span.update_name(f"{method} {route}")
        self._span.set_attribute("http.request.method", method)
        self._span.set_attribute("policyengine.route", route)
        self._span.set_attribute("policyengine.request_id", request_id)
        if status:
            self._span.set_attribute("http.response.status_code", status)
        if status == 0 or status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class RecordedSpans:
    """Spans of one tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, parent: str | None) -> RecordedSpan:
        """Return a span that begins now; a parent that cannot be read is as if it were not there."""
        context = Context() if parent is None else self._propagator.extract({"traceparent": parent}, Context())
        return RecordedSpan(self._tracer.start_span("request", context=context, kind=SpanKind.SERVER))


@contextmanager
def exporting() -> Iterator[RecordedSpans]:
    """Give spans that are sent while the block runs; what is left is sent at its end."""
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield RecordedSpans(provider.get_tracer(SERVICE))
    finally:
        provider.shutdown()


def _resource() -> Resource:
    found = Resource.create()
    if not str(found.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
        return found
    return found.merge(Resource({SERVICE_NAME: SERVICE}))
