"""Whether a server's requests are traced: where OpenTelemetry's variables ask for it, and its extra is there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from policyengine.settings import Settings, traces_protocol, traces_wanted

if TYPE_CHECKING:
    from starlette.types import ASGIApp

PROTOCOL = "http/protobuf"

log = logging.getLogger("policyengine.telemetry")


@contextmanager
def tracing(application: ASGIApp, settings: Settings) -> Iterator[ASGIApp]:
    """Give `application` as it is to be served: itself, with nothing imported, where no traces are wanted.

    What is wanted and cannot be had is told in the log, and devices are served all the same.
    """
    if not traces_wanted():
        yield application
        return
    if traces_protocol() != PROTOCOL:
        log.warning("no traces are sent: only the protocol %s is spoken", PROTOCOL)
        yield application
        return
    try:
        from policyengine.adapters.telemetry import exporting
    except ModuleNotFoundError:
        log.warning("no traces are sent: install the extra, `pip install 'policyengine[otel]'`")
        yield application
        return
    from api.tracing import Traced

    with exporting() as spans:
        yield Traced(application, spans=spans, trusted_proxies=settings.trusted_proxies)
