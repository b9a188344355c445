"""`policyengine serve`: one process, TLS, devices and people on one port."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.errors import PolicyEngineError
from policyengine.settings import Settings, from_environment

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import FrameType

    import uvicorn
    from fastapi import FastAPI

    from policyengine.wiring import Installation

    ContextFactory = Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]

BACKLOG = 2048  # connections waiting to be accepted: a fleet that reconnects at once comes in waves
COLLECT_AFTER = (20_000, 50, 100)  # allocations, then young and middle collections; a check-in allocates some 3,000
INSTANCE_BYTES = 6  # names this process in request ids


class AddressError(PolicyEngineError):
    """The address cannot be listened on."""

    code = "serve.address"


def serve(
    data: Annotated[Path | None, typer.Option(help="Data directory: database, keys, admin token.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.", min=0, max=65535)] = None,
) -> None:
    """Serve devices, people and auditors until stopped; makes keys, database and admin token on the first run."""
    from policyengine.wiring import build

    settings = _settings(data, host, port)
    with _listener(settings) as listener:  # first of all: a second start by mistake must not touch a running server
        settings.layout.server.unlink(missing_ok=True)
        installation = build(settings)
        try:
            _run(settings, installation, listener)
        finally:
            _withdraw(settings)
            installation.close()


def _settings(data: Path | None, host: str | None, port: int | None) -> Settings:
    found = from_environment()
    return replace(
        found,
        data=found.data if data is None else data,
        host=found.host if host is None else host,
        port=found.port if port is None else port,
    )


def _run(settings: Settings, installation: Installation, listener: socket.socket) -> None:
    from api.logs import configure
    from policyengine.cli.background import sweeping, telling

    configure(sys.stderr, level=settings.log_level)
    # The server drains on SIGTERM and then raises it again; as an exit it lets the store close and files go.
    signal.signal(signal.SIGTERM, _leave)
    _settle_memory()
    with sweeping(installation.services.sweep), telling(installation.services.webhooks):
        _server(settings, installation, listener).run(sockets=[listener])


def _settle_memory() -> None:
    # What start-up made lives as long as the process: looking through it again and again for garbage cost 12 % of the
    # CPU of a check-in, which itself makes no cycles. Measured in docs/adr/0008-serving.md.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one was enough: a second must not interrupt what it asked for
    raise SystemExit(0)


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as cause:
        reason = os.strerror(cause.errno).lower() if cause.errno and cause.errno > 0 else "no such address"
        where = f"{settings.host}:{settings.port}"
        raise AddressError(f"cannot listen on `{where}`: {reason}; choose --host and --port", address=where) from cause


def _server(settings: Settings, installation: Installation, listener: socket.socket) -> uvicorn.Server:
    import uvicorn

    from api.protocol import DeviceProtocol

    config = uvicorn.Config(
        _application(settings, installation),
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
    url = f"{'https' if settings.tls else 'http'}://{_shown_host(settings.host)}:{listener.getsockname()[1]}"

    class Announcing(uvicorn.Server):
        """A server that says where it is once it answers."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            _announce(settings, url)

    return Announcing(config)


def _application(settings: Settings, installation: Installation) -> FastAPI:
    from api.app import create_app
    from api.options import Options

    options = Options(
        instance=installation.entropy.draw(INSTANCE_BYTES).hex(),
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        max_in_flight=settings.max_in_flight,
        trusted_proxies=settings.trusted_proxies,
        rate_per_second=settings.rate_per_second,
    )
    return create_app(installation.services, options=options)


def _contexts(settings: Settings, installation: Installation) -> ContextFactory | None:
    if not settings.tls:
        return None
    from api.tls import LiveContext, ServerKeys, Trust

    keys = ServerKeys(chain=installation.tls_chain, key=installation.tls_key, passphrase=installation.passphrase)
    live = LiveContext(keys, Trust(generation=installation.generation, authorities=installation.trusted))
    return lambda _config, _default: live.context


def _shown_host(host: str) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - what to tell a person, not what to bind
    return reachable.get(host, f"[{host}]" if ":" in host else host)


def _withdraw(settings: Settings) -> None:
    """Remove the word of where this server is; what another process wrote there since stays."""
    try:
        announced = json.loads(settings.layout.server.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    if announced["pid"] == os.getpid():
        settings.layout.server.unlink(missing_ok=True)


def _announce(settings: Settings, url: str) -> None:
    """Write where the server is, whole or not at all, and print it as the one line of standard output."""
    layout = settings.layout
    where = {"url": url, "port": int(url.rpartition(":")[2]), "pid": os.getpid(), "ca": str(layout.ca_bundle.resolve())}
    fresh = layout.server.with_suffix(".new")
    fresh.write_text(json.dumps(where) + "\n", encoding="utf-8")
    fresh.replace(layout.server)
    typer.echo(f"policyengine serves at {url}")
