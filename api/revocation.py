"""Revocation over HTTP, as relying parties expect it: lists (RFC 5280, RFC 2585) and OCSP (RFC 6960, RFC 5019)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from api.auth import PublicRoute
from api.endpoint import Endpoint
from api.errors import UnsupportedContentTypeError
from pki.ocsp_request import MAX_REQUEST_BYTES
from pki.ocsp_response import Refusal
from policyengine.services.catalogue import Services
from policyengine.services.certification.revocation import NO_SHARD, Published
from policyengine.services.errors import MissingError

LIST = "application/pkix-crl"  # RFC 2585 section 4.2
QUESTION, ANSWER = "application/ocsp-request", "application/ocsp-response"  # RFC 6960 appendix C
OCSP = "/pki/ocsp"
KEPT_HEADERS = 4096  # answers asked for again and again
CACHE_SECONDS = 60  # how long caches between us and a relying party may hide a revocation


def revocation_routes(services: Services) -> list[BaseRoute]:
    """Return the routes below `/pki` that say what became of certificates."""
    lists, responder, turn = services.lists, services.responder, threading.Lock()

    def complete(request: Request) -> Response:
        with turn:
            found = lists.complete(request.path_params["issuer"])
        return _published(request, found, LIST)

    def part(request: Request) -> Response:
        issuer, name = request.path_params["issuer"], request.path_params["name"]
        shard = _shard(name.removesuffix(".delta"))
        with turn:
            found = lists.delta(issuer, shard) if name.endswith(".delta") else lists.shard(issuer, shard)
        return _published(request, found, LIST)

    async def asked_by_get(request: Request) -> Response:
        text = request.scope["path"].removeprefix(f"{OCSP}/")
        try:
            # a path of base64 holds `/` and `+` as they are, or escaped; either way they arrive as themselves
            question = base64.b64decode(text.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            question = b""
        return _answered(request, responder.answer(question))

    async def asked_by_post(request: Request) -> Response:
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != QUESTION:
            raise UnsupportedContentTypeError(f"the body of a question is `{QUESTION}`")
        return _answered(request, responder.answer(await _bounded(request)))

    return [
        PublicRoute("/pki/crl/{issuer}.crl", complete, methods=["GET"], name="crl"),
        PublicRoute("/pki/crl/{issuer}/{name}.crl", part, methods=["GET"], name="crl_shard"),
        PublicRoute(OCSP, Endpoint(asked_by_post), methods=["POST"], name="ocsp_post"),
        PublicRoute(f"{OCSP}/{{question:path}}", Endpoint(asked_by_get), methods=["GET"], name="ocsp_get"),
    ]


def _shard(text: str) -> int:
    if len(text) != 2 or text.strip("0123456789abcdef"):
        raise MissingError(NO_SHARD, code="pki.list")
    return int(text, 16)


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REQUEST_BYTES:
            return b""  # larger than any question: answered as malformed, and read no further
    return bytes(body)


def _answered(request: Request, answer: Published | Refusal) -> Response:
    if isinstance(answer, Refusal):  # never kept: it is true of this question at this moment only
        request.state.code = f"ocsp.{answer.name.lower().replace('_', '-')}"  # HTTP has nothing to complain of: 200
        return Response(answer.der, media_type=ANSWER, headers={"Cache-Control": "no-store"})
    return _conditional(request, answer, ANSWER, _headers_of_answer(answer))


def _published(request: Request, made: Published, media_type: str) -> Response:
    """Return the bytes with what caches need (RFC 5019 section 6.2, RFC 9110 section 8.8)."""
    return _conditional(request, made, media_type, _headers(made))


def _conditional(request: Request, made: Published, media_type: str, headers: Mapping[str, str]) -> Response:
    if request.method == "GET" and headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(made.content, media_type=media_type, headers=headers)


def _headers(made: Published) -> Mapping[str, str]:
    return {
        "Cache-Control": f"max-age={CACHE_SECONDS}, public, no-transform, must-revalidate",
        "ETag": f'"{hashlib.sha256(made.content).hexdigest()[:32]}"',
        "Expires": _http_date(made.until),
        "Last-Modified": _http_date(made.made),
    }


_headers_of_answer = lru_cache(maxsize=KEPT_HEADERS)(_headers)  # never of a list, which may have 50 MB


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)
