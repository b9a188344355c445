"""`policyengine serve`: TLS, devices and people on one port, answered by one process or by several."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from policyengine.cli.server import BACKLOG, answer, leave_on
from policyengine.errors import PolicyEngineError
from policyengine.settings import MAX_WORKERS, Settings, from_environment


class AddressError(PolicyEngineError):
    """The address cannot be listened on."""

    code = "serve.address"


def serve(
    data: Annotated[Path | None, typer.Option(help="Data directory: database, keys, admin token.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.", min=0, max=65535)] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that answer; more than one needs PostgreSQL.", min=1, max=MAX_WORKERS),
    ] = None,
) -> None:
    """Serve devices, people and auditors until stopped; makes keys, database and admin token on the first run."""
    settings = _settings(data, host, port, workers)
    if settings.workers == 1:
        _serve_alone(settings)
    else:
        _serve_together(settings)


def _settings(data: Path | None, host: str | None, port: int | None, workers: int | None) -> Settings:
    found = from_environment()
    return replace(
        found,
        data=found.data if data is None else data,
        host=found.host if host is None else host,
        port=found.port if port is None else port,
        workers=found.workers if workers is None else workers,
    )


def _serve_alone(settings: Settings) -> None:
    from policyengine.wiring import build

    with _listener(settings) as listener:  # first of all: a second start by mistake must not touch a running server
        settings.layout.server.unlink(missing_ok=True)
        installation = build(settings)
        leave_on(signal.SIGTERM)
        try:
            answer(settings, installation, listener, ready=partial(_announce, settings, _url(settings, listener)))
        finally:
            _withdraw(settings)
            installation.close()


def _serve_together(settings: Settings) -> None:
    """Prepare as one server does, and leave the answering to workers."""
    from policyengine.cli.workers import demand_shareable, supervise

    demand_shareable(settings.storage_url)
    from policyengine.wiring import build

    with ExitStack() as closing:
        listeners = _listeners(settings, closing)
        settings.layout.server.unlink(missing_ok=True)
        build(settings).close()
        try:
            supervise(settings, listeners, ready=partial(_announce, settings, _url(settings, listeners[0])))
        finally:
            _withdraw(settings)


def _listener(settings: Settings) -> socket.socket:
    with _refusing(settings):
        return socket.create_server((settings.host, settings.port), family=_family(settings), backlog=BACKLOG)


def _listeners(settings: Settings, closing: ExitStack) -> list[socket.socket]:
    """Return a listening socket for each worker, all on one port, over which Linux spreads connections evenly.

    The first one listens as if alone, so that no other server's port is shared by mistake; only then it lets others in.
    """
    first = closing.enter_context(_listener(settings))
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    address = (settings.host, first.getsockname()[1])
    with _refusing(settings):
        others = [
            closing.enter_context(
                socket.create_server(address, family=_family(settings), backlog=BACKLOG, reuse_port=True)
            )
            for _ in range(settings.workers - 1)
        ]
    return [first, *others]


def _family(settings: Settings) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in settings.host else socket.AF_INET


@contextmanager
def _refusing(settings: Settings) -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        reason = os.strerror(cause.errno).lower() if cause.errno and cause.errno > 0 else "no such address"
        where = f"{settings.host}:{settings.port}"
        raise AddressError(f"cannot listen on `{where}`: {reason}; choose --host and --port", address=where) from cause


def _url(settings: Settings, listener: socket.socket) -> str:
    return f"{'https' if settings.tls else 'http'}://{_shown_host(settings.host)}:{listener.getsockname()[1]}"


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
