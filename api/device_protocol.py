"""What devices call: plain ASGI endpoints, bytes in and bytes out, because this is the hot path.

Measured in docs/adr/0008-serving.md: a FastAPI route with models costs as much CPU as the signature check it carries.
"""

from __future__ import annotations

import json

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from api.auth import DeviceRoute, PublicRoute
from api.bodies import JSON, json_body, optional_json_body
from api.client_certificate import peer_certificate
from api.metrics import Metrics
from api.options import Options
from api.wire import read_activation, read_challenge, read_checkin, read_renewal
from policyengine.model.base64url import base64url
from policyengine.model.times import format_timestamp
from policyengine.services.catalogue import Services
from policyengine.services.checkins.settling import Pending
from policyengine.services.errors import UnauthenticatedError

PEM_CHAIN = "application/pem-certificate-chain"  # RFC 8555 section 9.1
JOSE = "application/jose"  # RFC 7515 section 9.2.1, the compact serialisation
JWK_SET = "application/jwk-set+json"  # RFC 7517 section 8.5

CA_BUNDLE_SECONDS = 3600  # a device may act on a roll-over an hour late; the old root is served far longer than that


def device_routes(services: Services, *, options: Options, metrics: Metrics) -> list[BaseRoute]:
    """Return the routes of the device protocol."""
    return [
        DeviceRoute("/v1/checkins", CheckInEndpoint(services, metrics), methods=["POST"], name="check_in"),
        DeviceRoute("/v1/challenges", ChallengeEndpoint(services), methods=["POST"], name="challenge"),
        DeviceRoute("/v1/renewals", RenewalEndpoint(services), methods=["POST"], name="renewal"),
        DeviceRoute("/v1/tpm/activations", ActivationEndpoint(services), methods=["POST"], name="tpm_activation"),
        DeviceRoute("/v1/self", SelfEndpoint(services, options), methods=["GET"], name="self"),
        PublicRoute("/pki/ca-bundle", Document(services.ca_bundle, PEM_CHAIN), methods=["GET"], name="ca_bundle"),
        PublicRoute("/pki/trust-bundle", Document(services.trust_bundle, JOSE), methods=["GET"], name="trust_bundle"),
        PublicRoute(
            "/.well-known/jwks.json",
            Document(json.dumps(services.results.jwks()).encode(), JWK_SET),
            methods=["GET"],
            name="jwks",
        ),
    ]


class CheckInEndpoint:
    """`POST /v1/checkins`."""

    def __init__(self, services: Services, metrics: Metrics) -> None:
        self._checkins = services.checkins
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 with the decision, whatever its tier, once it is durable."""
        reply = await self._checkins.check_in(read_checkin(await json_body(scope, receive)))
        self._metrics.checked_in(reply.tier.name.lower())
        await _send_json(send, reply.body)


class ChallengeEndpoint:
    """`POST /v1/challenges`."""

    def __init__(self, services: Services) -> None:
        self._challenges = services.challenges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 with a nonce; whether the device is known is not told."""
        challenge = self._challenges.issue(read_challenge(await optional_json_body(scope, receive)))
        expires_at = format_timestamp(challenge.expires_at.replace(microsecond=0))
        answer = {"nonce": base64url(challenge.nonce), "expires_at": expires_at}
        await _send_json(send, json.dumps(answer).encode())


class ActivationEndpoint:
    """`POST /v1/tpm/activations`."""

    def __init__(self, services: Services) -> None:
        self._activations = services.activations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 with a credential for the TPM; whether the device is known is not told."""
        made = self._activations.activate(read_activation(await json_body(scope, receive)))
        answer = {
            "id_object": base64url(made.id_object),
            "encrypted_secret": base64url(made.encrypted_secret),
            "expires_at": format_timestamp(made.expires_at.replace(microsecond=0)),
        }
        await _send_json(send, json.dumps(answer).encode())


class RenewalEndpoint:
    """`POST /v1/renewals`."""

    def __init__(self, services: Services) -> None:
        self._renewals = services.renewals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 with the next certificate, or 202 with the rules that wait for evidence (docs/device.md)."""
        answer = await self._renewals.renew(read_renewal(await json_body(scope, receive)))
        if isinstance(answer, Pending):
            waits = {"decision_id": answer.decision_id, "missing": answer.missing}
            response = JSONResponse(waits, status_code=202, headers={"Retry-After": str(answer.retry_after)})
        else:
            chain = [*map(base64url, self._renewals.chain)]
            hint = {} if answer.renew_at is None else {"renew_at": format_timestamp(answer.renew_at)}
            response = JSONResponse({"certificate": base64url(answer.certificate), "chain": chain, **hint})
        await response(scope, receive, send)


class SelfEndpoint:
    """`GET /v1/self`: what a gate asks with a device's own TLS connection."""

    def __init__(self, services: Services, options: Options) -> None:
        self._certificates = services.certificates
        self._trusted = options.trusted_proxies

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer the device's id while its certificate is good *now*; the handshake is not asked (docs/adr/0008)."""
        certificate = peer_certificate(scope, trusted_proxies=self._trusted)
        if certificate is None:
            raise UnauthenticatedError("connect with the device's certificate")
        device = self._certificates.identify(certificate)
        await _send_json(send, json.dumps({"device_id": device, "certificate": "good"}).encode())


class Document:
    """Bytes that are the same for everyone."""

    def __init__(self, content: bytes, media_type: str) -> None:
        self._content = content
        self._media_type = media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the bytes."""
        headers = {"Cache-Control": f"public, max-age={CA_BUNDLE_SECONDS}"}
        await Response(self._content, media_type=self._media_type, headers=headers)(scope, receive, send)


async def _send_json(send: Send, body: bytes) -> None:
    headers = [(b"content-type", JSON), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
