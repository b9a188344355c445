"""One server: answers on a listening socket until it is told to stop, and does beside it what is due."""

from __future__ import annotations

import gc
import signal
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from types import FrameType

    import uvicorn
    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from policyengine.adapters.shared_counts import SharedCounts
    from policyengine.settings import Settings
    from policyengine.wiring import Installation

    ContextFactory = Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]

BACKLOG = 2048  # connections waiting to be accepted: a fleet that reconnects at once comes in waves
COLLECT_AFTER = (20_000, 50, 100)  # allocations, then young and middle collections; a check-in allocates some 3,000
INSTANCE_BYTES = 6  # names this process in request ids


def answer(
    settings: Settings,
    installation: Installation,
    listener: socket.socket,
    *,
    ready: Callable[[], None],
    shared: SharedCounts | None = None,
) -> None:
    """Answer on `listener` until a signal: the server drains and raises it again. Calls `ready` once it answers.

    With `shared`, the server is one of several and counts with the others.
    """
    from api.logs import configure
    from policyengine.cli.background import counting, hearing, reminding, sweeping, telling
    from policyengine.cli.telemetry import tracing

    configure(sys.stderr, level=settings.log_level)
    _settle_memory()
    application = _application(settings, installation, shared)
    counted = nullcontext() if shared is None else counting(application.state.metrics, shared)
    with (
        counted,
        hearing(settings.storage_url, installation.services.policies),
        sweeping(installation.services.sweep),
        reminding(installation.services.reminders),
        telling(installation.services.webhooks),
        tracing(application, settings) as traced,
    ):
        _server(settings, installation, traced, ready).run(sockets=[listener])


def _settle_memory() -> None:
    # What start-up made lives as long as the process: looking through it again and again for garbage cost 12 % of the
    # CPU of a check-in, which itself makes no cycles. Measured in docs/adr/0008-serving.md.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def leave_on(*signals: signal.Signals) -> None:
    """Let the first of `signals` raise SystemExit, so that the store closes and files go; further ones are ignored."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)  # one was enough: a second must not interrupt what it asked for
        raise SystemExit(0)

    for each in signals:
        signal.signal(each, leave)


def _server(
    settings: Settings, installation: Installation, application: ASGIApp, ready: Callable[[], None]
) -> uvicorn.Server:
    import uvicorn

    from api.protocol import DeviceProtocol

    config = uvicorn.Config(
        application,
        http=DeviceProtocol,
        ws="none",
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.drain_seconds,
        backlog=BACKLOG,
        ssl_context_factory=_contexts(settings, installation),
    )

    class Announcing(uvicorn.Server):
        """A server that says when it answers."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    return Announcing(config)


def _application(settings: Settings, installation: Installation, shared: SharedCounts | None) -> FastAPI:
    from api.app import create_app
    from api.metrics import Counts
    from api.options import Options

    options = Options(
        instance=installation.entropy.draw(INSTANCE_BYTES).hex(),
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        max_in_flight=settings.max_in_flight,
        trusted_proxies=settings.trusted_proxies,
        rate_per_second=settings.rate_per_second,
        others=lambda: () if shared is None else tuple(map(Counts.read, shared.others())),
    )
    return create_app(installation.services, options=options)


def _contexts(settings: Settings, installation: Installation) -> ContextFactory | None:
    if not settings.tls:
        return None
    from api.tls import LiveContext, ServerKeys, Trust

    keys = ServerKeys(chain=installation.tls_chain, key=installation.tls_key, passphrase=installation.passphrase)
    live = LiveContext(keys, Trust(generation=installation.generation, authorities=installation.trusted))
    return lambda _config, _default: live.context
