"""`/v1/gate`: what enforcement points ask before they let a device pass, in the words that each of them speaks.

One question, three ways to be answered (`as`):

- `status`: 200 or 403, with headers: nginx `auth_request`, and whatever else looks at the status alone.
- `emqx`: 200 with `{"result": "allow" | "deny"}`, EMQX's HTTP authenticator and authorizer.
- `radius`: 200 with attributes or 401, FreeRADIUS `rlm_rest`.

The caller says who it is by an API token of its own, as a bearer token or as the password of HTTP Basic (RFC 7617), for
programs that can send nothing else. Only then is believed what it says of the device: it ended the device's TLS. What
is not an open gate is never answered with what a program could take for one.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from api.auth import MAX_TOKEN, DeviceRoute, GateRoute
from api.bodies import read_body
from api.client_certificate import MAX_CERTIFICATE, byte_sequence, peer_certificate
from api.errors import BadHeaderError, UnsupportedContentTypeError
from api.gate_shapes import PostureOut
from api.limits import Limits, claimed_by, source_of
from api.options import Options
from api.problems import problem_of
from policyengine.model.ids import DeviceId, device_id
from policyengine.model.strict_json import read_json
from policyengine.services.actors import Principal
from policyengine.services.catalogue import Services
from policyengine.services.errors import InvalidRequestError, RefusedError, UnauthenticatedError
from policyengine.services.gates.gate import Answer, Question, opened

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MAX_FIELDS = 32  # brokers send half a dozen
MAX_BODY = 64 * 1024  # a certificate of MAX_CERTIFICATE in base64, and what brokers add

_PEM = re.compile(rb"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")
_QUERY = frozenset({"for", "as", "device", "username"})
_SELF_QUERY = frozenset({"for", "aud"})
_DEVICE_KEYS = ("device", "username")  # the second is what brokers call it


def gate_routes(services: Services, *, options: Options, limits: Limits) -> list[BaseRoute]:
    """Return the routes of enforcement points, and the one where a device fetches its own posture token."""
    return [
        GateRoute("/v1/gate", GateEndpoint(services, options, limits), methods=["GET", "POST"], name="gate"),
        DeviceRoute("/v1/self/gate", SelfGateEndpoint(services, options), methods=["GET"], name="self_gate"),
    ]


class GateEndpoint:
    """`GET` and `POST /v1/gate`."""

    def __init__(self, services: Services, options: Options, limits: Limits) -> None:
        self._tokens = services.tokens
        self._gate = services.gate
        self._trusted = options.trusted_proxies
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer whether the device may pass, in the asker's words."""
        headers, query = Headers(scope=scope), _query(scope, _QUERY)
        asker = await self._asker(scope, credential_of(headers))
        render = _RENDERERS.get(query.get("as", "status"))
        if render is None:
            raise InvalidRequestError(f"`as` is one of {', '.join(_RENDERERS)}", code="request.as", field="as")
        sent = await _sent(scope, receive, headers)
        question = Question(
            purpose=query.get("for", ""),
            device_id=_device(query, sent),
            certificate=_certificate(headers, sent),
        )
        answer = await self._gate.ask(asker, question)
        await render(answer, scope["state"].get("request_id"))(scope, receive, send)

    async def _asker(self, scope: Scope, secret: str) -> Principal:
        """Return whose token it is; a proxy asks for each of its requests, so it has no rate of its own."""
        who = source_of(scope, self._trusted), claimed_by(secret)
        self._limits.demand_unlocked(*who)
        try:
            asker = await self._tokens.admit(secret)
        except UnauthenticatedError:
            self._limits.failed(*who)
            raise
        self._limits.passed(*who)
        return asker


class SelfGateEndpoint:
    """`GET /v1/self/gate`: a posture token for the device behind this TLS connection."""

    def __init__(self, services: Services, options: Options) -> None:
        self._postures = services.postures
        self._trusted = options.trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a posture token for the purpose and audience that the device names."""
        certificate = peer_certificate(scope, trusted_proxies=self._trusted)
        if certificate is None:
            raise UnauthenticatedError("connect with the device's certificate")
        query = _query(scope, _SELF_QUERY)
        posture = await self._postures.issue_to_holder(certificate, query.get("for", ""), audience=query.get("aud"))
        content = PostureOut.model_validate(posture).model_dump_json(by_alias=True)
        await Response(content, media_type=JSON)(scope, receive, send)


def credential_of(headers: Headers) -> str:
    """Return the token of the one Authorization header, Bearer or Basic; raises UnauthenticatedError."""
    values = headers.getlist("authorization")
    scheme, _, value = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() == "bearer":
        token = value.strip()
    elif scheme.lower() == "basic":
        token = _password(value.strip())
    else:
        raise UnauthenticatedError("say `Authorization: Bearer TOKEN` or Basic with the token as password, once")
    if not 0 < len(token) <= MAX_TOKEN:
        raise UnauthenticatedError("this is no token of ours")
    return token


def _password(value: str) -> str:
    try:
        decoded = base64.b64decode(value[: 2 * MAX_TOKEN], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as cause:
        raise UnauthenticatedError("this is no token of ours") from cause
    return decoded.partition(":")[2]


def _query(scope: Scope, known: frozenset[str]) -> dict[str, str]:
    fields = _fields(scope["query_string"].decode("latin-1"))
    unknown = sorted(fields.keys() - known)
    if unknown:
        raise InvalidRequestError(f"no query member `{unknown[0][:64]}` is read here", code="request.query")
    return fields


def _fields(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as cause:
        raise InvalidRequestError("the fields cannot be read", code="request.fields") from cause
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRequestError("a field occurs twice", code="request.fields")
    return fields


async def _sent(scope: Scope, receive: Receive, headers: Headers) -> Mapping[str, str]:
    """Return the texts in a body; what a broker sends beside them, and numbers, are none of ours."""
    if scope["method"] != "POST":
        return {}
    body = await read_body(receive)
    if len(body) > MAX_BODY:
        raise InvalidRequestError(f"the body has more than {MAX_BODY} bytes", code="request.fields")
    essence = headers.get("content-type", "").partition(";")[0].strip().lower()
    if essence == FORM:
        return _fields(body.decode("latin-1"))
    if essence != JSON:
        raise UnsupportedContentTypeError("send JSON or a form", accepted=[JSON, FORM])
    document = read_json(body, max_bytes=MAX_BODY)
    if not isinstance(document, dict):
        raise InvalidRequestError("the body is no JSON object", code="request.fields")
    return {name: value for name, value in document.items() if isinstance(value, str)}


def _device(*given: Mapping[str, str]) -> DeviceId | None:
    named = {fields[key] for fields in given for key in _DEVICE_KEYS if fields.get(key)}
    if len(named) > 1:
        raise InvalidRequestError("more than one device is named", code="request.fields")
    return device_id(named.pop()) if named else None


def _certificate(headers: Headers, fields: Mapping[str, str]) -> bytes | None:
    """Return the DER of the certificate that the gate was shown; raises BadHeaderError when there are two."""
    escaped, standard = headers.getlist("x-ssl-client-cert"), headers.getlist("client-cert")
    found = [_from_pem(unquote_to_bytes(value)) for value in escaped]
    found += [byte_sequence(value.encode("latin-1")) for value in standard]
    found += [_from_pem(fields["certificate"].encode())] if fields.get("certificate") else []
    if len(found) > 1:
        raise BadHeaderError("more than one client certificate", header="X-SSL-Client-Cert")
    return found[0] if found else None


def _from_pem(text: bytes) -> bytes:
    armored = _PEM.fullmatch(text) if len(text) <= 2 * MAX_CERTIFICATE else None
    if armored is None:
        raise BadHeaderError("the client certificate is not one PEM certificate", header="X-SSL-Client-Cert")
    try:
        return base64.b64decode(b"".join(armored[1].split()), validate=True)
    except binascii.Error as cause:
        raise BadHeaderError("the client certificate is not base64", header="X-SSL-Client-Cert") from cause


Render = Callable[[Answer, str | None], Response]


def _by_status(answer: Answer, request_id: str | None) -> Response:
    try:
        opened(answer)
    except RefusedError as refusal:
        response = problem_of(refusal, request_id=request_id)
    else:
        response = JSONResponse({"device_id": answer.device_id, "tier": _tier(answer), "for": answer.purpose})
    response.headers.update(_told(answer))
    return response


def _for_emqx(answer: Answer, _request_id: str | None) -> Response:
    if not answer.is_open:
        return JSONResponse({"result": "deny"}, headers=_told(answer))
    attributes = {"tier": _tier(answer)}
    ends = int(answer.until.timestamp())
    document = {"result": "allow", "is_superuser": False, "client_attrs": attributes, "expire_at": ends}
    return JSONResponse(document, headers=_told(answer))


def _for_radius(answer: Answer, _request_id: str | None) -> Response:
    """Answer attributes: the tier for the server's own rules, and when the session must be asked about again."""
    if not answer.is_open:
        return JSONResponse({}, status_code=401, headers=_told(answer))
    document = {
        "control:Tmp-String-0": {"op": ":=", "value": [_tier(answer)]},
        "reply:Session-Timeout": {"op": ":=", "value": [max(1, _seconds(answer.asked_at, answer.until))]},
        "reply:Termination-Action": {"op": ":=", "value": [1]},  # RADIUS-Request: authenticate again, RFC 2865 5.29
    }
    return JSONResponse(document, headers=_told(answer))


def _told(answer: Answer) -> dict[str, str]:
    told = {"X-Policyengine-Device": answer.device_id, "X-Policyengine-Tier": _tier(answer)}
    if not answer.is_open:
        told["X-Policyengine-Refusal"] = answer.code
    return {name: value for name, value in told.items() if value is not None}


def _tier(answer: Answer) -> str | None:
    return None if answer.tier is None else answer.tier.name.lower()


def _seconds(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds())


_RENDERERS: Mapping[str, Render] = {"status": _by_status, "emqx": _for_emqx, "radius": _for_radius}
