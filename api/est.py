"""EST over HTTP (RFC 7030, RFC 8951): what unmodified clients send and expect, over one use case.

Both forms of base64 are taken, with and without line breaks and `Content-Transfer-Encoding`; answers say it, as most
clients expect. Labels are names of certificate profiles.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from api.auth import DeviceRoute, PublicRoute
from api.client_certificate import peer_chain
from api.endpoint import Endpoint
from api.errors import BadHeaderError, UnsupportedContentTypeError
from api.options import Options
from api.problems import problem_of
from pki.csr_attributes import csr_attributes
from policyengine.model.times import format_timestamp
from policyengine.services.catalogue import Services
from policyengine.services.checkins.settling import Issued, Pending
from policyengine.services.errors import InvalidRequestError, UnauthenticatedError
from policyengine.services.identification.est_identity import Credentials

PREFIX = "/.well-known/est"
PKCS10 = "application/pkcs10"
CERTS_ONLY = "application/pkcs7-mime; smime-type=certs-only"
ALL_CERTS = "application/pkcs7-mime"
CSR_ATTRIBUTES = "application/csrattrs"
MAX_CSR_TEXT = 32 * 1024  # the largest request in base64, with line breaks
MAX_TOKEN = 256  # as in check-ins
FULL_TIER = "full"  # csrattrs speak of the certificate that a healthy device gets

RENEW_AT = "PolicyEngine-Renew-At"  # EST has no place for it; a client that does not know it renews as it always did

_BASE64 = {"Content-Transfer-Encoding": "base64"}
_CHALLENGE = 'Basic realm="policyengine", charset="UTF-8"'

Ask = Callable[[bytes, Credentials, str | None], Awaitable[Issued | Pending]]


def est_routes(services: Services, *, options: Options) -> list[BaseRoute]:
    """Return the routes of EST, each with and without a label."""
    est = services.est

    def cacerts(request: Request) -> Response:
        label = _label(request)
        if label is not None:
            est.labelled(label)
        return _certificates(est.chain, ALL_CERTS)

    def csrattrs(request: Request) -> Response:
        label = _label(request)
        profile = est.profile_of(_credentials(request, options)) if label is None else est.labelled(label)
        terms = None if profile is None else profile.tiers.get(FULL_TIER)
        if terms is None:
            return Response(status_code=204)
        return Response(_lines(csr_attributes(terms)), media_type=CSR_ATTRIBUTES, headers=_BASE64)

    async def enrol(request: Request) -> Response:
        return await _asked(request, options, lambda csr, given, label: est.enrol(csr, given, label=label))

    async def reenrol(request: Request) -> Response:
        return await _asked(request, options, lambda csr, given, label: est.reenrol(csr, given, label=label))

    found: list[BaseRoute] = []
    for prefix, suffix in ((PREFIX, ""), (f"{PREFIX}/{{label}}", "_labelled")):
        found += [
            PublicRoute(f"{prefix}/cacerts", cacerts, methods=["GET"], name=f"est_cacerts{suffix}"),
            PublicRoute(f"{prefix}/csrattrs", csrattrs, methods=["GET"], name=f"est_csrattrs{suffix}"),
            DeviceRoute(f"{prefix}/simpleenroll", Endpoint(enrol), methods=["POST"], name=f"est_enrol{suffix}"),
            DeviceRoute(f"{prefix}/simplereenroll", Endpoint(reenrol), methods=["POST"], name=f"est_reenrol{suffix}"),
        ]
    return found


async def _asked(request: Request, options: Options, ask: Ask) -> Response:
    csr = _request_in(request.headers.get("content-type", ""), await request.body())
    try:
        answer = await ask(csr, _credentials(request, options), _label(request))
    except UnauthenticatedError as refusal:
        request.state.code = refusal.code
        response = problem_of(refusal, request_id=request.state.request_id)
        response.headers["WWW-Authenticate"] = _CHALLENGE
        return response
    if isinstance(answer, Pending):
        waits_for = ", ".join(answer.missing)
        return Response(
            f"no certificate yet: {waits_for}\n",
            status_code=202,
            media_type="text/plain",
            headers={"Retry-After": str(answer.retry_after)},
        )
    response = _certificates((answer.certificate,), CERTS_ONLY)
    if answer.renew_at is not None:
        response.headers[RENEW_AT] = format_timestamp(answer.renew_at)
    return response


def _request_in(content_type: str, body: bytes) -> bytes:
    if content_type.partition(";")[0].strip().lower() != PKCS10:
        raise UnsupportedContentTypeError(f"send {PKCS10}", accepted=[PKCS10])
    if len(body) > MAX_CSR_TEXT:
        raise InvalidRequestError(f"the request has more than {MAX_CSR_TEXT} bytes", code="csr.oversized")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as cause:
        raise InvalidRequestError(
            "the body is not base64: send the DER in base64, without the lines that PEM puts around it",
            code="csr.encoding",
        ) from cause


def _credentials(request: Request, options: Options) -> Credentials:
    chain = peer_chain(request.scope, trusted_proxies=options.trusted_proxies)
    return Credentials(certificates=chain, token=_token(request.headers.getlist("authorization")))


def _token(values: list[str]) -> str | None:
    """Return the one-time token that stands as the password of HTTP Basic (RFC 7617); its user name says nothing."""
    if not values:
        return None
    scheme, _, encoded = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "basic":
        raise UnauthenticatedError("say `Authorization: Basic`, once, with the one-time token as password")
    try:
        _, found, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as cause:
        raise BadHeaderError("Authorization is not base64 of text", header="Authorization") from cause
    if not found or not password or len(password) > MAX_TOKEN:
        raise UnauthenticatedError("this is no one-time token of ours")
    return password


def _label(request: Request) -> str | None:
    label: str | None = request.path_params.get("label")
    return label


def _certificates(chain: tuple[bytes, ...], media_type: str) -> Response:
    certificates = [x509.load_der_x509_certificate(each) for each in chain]
    content = pkcs7.serialize_certificates(certificates, Encoding.DER)
    return Response(_lines(content), media_type=media_type, headers=_BASE64)


def _lines(content: bytes) -> bytes:
    return base64.encodebytes(content)
