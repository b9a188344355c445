"""What gateways call for devices that cannot: their check-ins as they are, and reports of devices without a key.

The gateway is whoever holds the certificate of the TLS connection; its state is looked up at every request.
"""

from __future__ import annotations

import json

from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from api.auth import DeviceRoute
from api.bodies import JSON, json_body
from api.client_certificate import peer_certificate
from api.metrics import Metrics
from api.options import Network, Options
from api.problems import problem_of
from api.wire import read_checkin, read_reports
from policyengine.services.catalogue import Services
from policyengine.services.errors import UnauthenticatedError
from policyengine.services.gateways.reports import Recorded, Refused


def gateway_routes(services: Services, *, options: Options, metrics: Metrics) -> list[BaseRoute]:
    """Return the routes of gateways."""
    relay, reports = RelayEndpoint(services, options, metrics), ReportsEndpoint(services, options)
    return [
        DeviceRoute("/v1/gateway/checkins", relay, methods=["POST"], name="gateway_checkin"),
        DeviceRoute("/v1/gateway/reports", reports, methods=["POST"], name="gateway_reports"),
    ]


class RelayEndpoint:
    """`POST /v1/gateway/checkins`."""

    def __init__(self, services: Services, options: Options, metrics: Metrics) -> None:
        self._relaying = services.relaying
        self._trusted = options.trusted_proxies
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what the device would be answered, were it here itself."""
        certificate = _gateways(scope, self._trusted)
        reply = await self._relaying.relay(certificate, read_checkin(await json_body(scope, receive)))
        self._metrics.checked_in(reply.tier.name.lower())
        await _send_json(send, reply.body)


class ReportsEndpoint:
    """`POST /v1/gateway/reports`."""

    def __init__(self, services: Services, options: Options) -> None:
        self._reports = services.gateway_reports
        self._trusted = options.trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 with what became of each device: its decision, or the problem with what was said of it."""
        certificate = _gateways(scope, self._trusted)
        outcomes = await self._reports.report(certificate, read_reports(await json_body(scope, receive)))
        await _send_json(send, b'{"reports":[%b]}' % b",".join(map(_outcome, outcomes)))


def _gateways(scope: Scope, trusted: tuple[Network, ...]) -> bytes:
    certificate = peer_certificate(scope, trusted_proxies=trusted)
    if certificate is None:
        raise UnauthenticatedError("connect with the gateway's own certificate")
    return certificate


def _outcome(outcome: Recorded | Refused) -> bytes:
    if isinstance(outcome, Recorded):
        return outcome.body
    problem = json.loads(bytes(problem_of(outcome.refusal).body))
    return json.dumps({"device_id": outcome.device_id, "problem": problem}).encode()


async def _send_json(send: Send, body: bytes) -> None:
    headers = [(b"content-type", JSON), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
