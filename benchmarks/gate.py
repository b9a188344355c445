"""Questions to the gate a second and core, through the application, beside a route that reads nothing, in one run.

python -m benchmarks.gate [--devices 300] [--rounds 5] [--seconds 0.5]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path
from time import perf_counter
from urllib.parse import urlencode

from starlette.types import Message

from api.app import create_app
from api.options import Options
from policyengine.model.ids import device_id
from policyengine.services.actors import SYSTEM, PersonRole
from policyengine.services.gates.gate import Question
from policyengine.services.tokens import MAX_LIFETIME
from tests.support.site import ready_site

Action = Callable[[], Awaitable[object]]


async def rate(action: Action, seconds: float) -> float:
    """Return how often `action` ran in a second."""
    count, start = 0, perf_counter()
    while perf_counter() - start < seconds:
        await action()
        count += 1
    return count / (perf_counter() - start)


async def measured(options: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """Return the rates of each action, round by round."""
    site = ready_site(f"sqlite:///{folder / 'store.db'}", count=options.devices)
    healthy = site.of("healthy")
    for device in healthy:
        await site.enrol(device)
    made = site.services.tokens.create(SYSTEM, name="bench", role=PersonRole.GATE, lifetime=MAX_LIFETIME)
    asker = site.services.tokens.authenticate(made.secret)
    limits = {"max_body_bytes": 2**16, "max_upload_bytes": 2**16, "max_in_flight": 64}
    app = create_app(site.services, options=Options(instance="bench", **limits))
    names = cycle([device_id(device.planned.device_id) for device in healthy])

    async def call(path: str, query: str = "") -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            assert message.get("status", 200) == 200, message

        headers = [(b"authorization", f"Bearer {made.secret}".encode())]
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": headers}
        scope |= {"query_string": query.encode(), "client": ("127.0.0.1", 1), "server": ("s", 443), "scheme": "https"}
        await app({**scope, "root_path": "", "http_version": "1.1", "state": {}}, receive, send)

    def asked() -> Awaitable[None]:
        return call("/v1/gate", urlencode({"for": "network", "device": next(names)}))

    actions: dict[str, Action] = {
        "keys (nothing is read)": lambda: call("/.well-known/jwks.json"),
        "questions over the application": lambda: call(
            "/v1/gate", urlencode({"for": "network", "device": next(names)})
        ),
        "questions to the use case": lambda: site.services.gate.ask(
            asker, Question(purpose="network", device_id=next(names))
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(options.rounds):
        for name, action in actions.items():
            rates[name].append(await rate(action, options.seconds))
    site.store.close()
    return rates


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    with tempfile.TemporaryDirectory() as folder:
        rates = asyncio.run(measured(parser.parse_args(), Path(folder)))
    bare = statistics.median(rates["keys (nothing is read)"])
    for name, found in rates.items():
        middle = statistics.median(found)
        print(f"{name:32} {middle:9,.0f}/s  {1e6 / middle:7.1f} us  {middle / bare:5.2f} of a route that reads nothing")


if __name__ == "__main__":
    main()
