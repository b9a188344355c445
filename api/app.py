"""The HTTP application: device protocol, people's API, problem documents and pages over one set of use cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import DeviceRoute, GateRoute, PublicRoute, leaves, permission_of
from api.device_protocol import device_routes
from api.edge import Edge
from api.est import est_routes
from api.gate import gate_routes
from api.gateway import gateway_routes
from api.idempotency import Memory
from api.limits import Limits
from api.log import log_routes
from api.metrics import Metrics
from api.oidc_login import oidc_login_routes
from api.options import Options
from api.pages import page_routes
from api.problems import answer_for_code, problem, problem_of
from api.revocation import OCSP, revocation_routes
from api.routes import (
    audit,
    bundles,
    certificates,
    compliance,
    decisions,
    devices,
    exports,
    exposure,
    feeds,
    gates,
    muds,
    operation,
    policies,
    releases,
    reports,
    sboms,
    succession,
    tokens,
    waivers,
    webhooks,
)
from pki.errors import PkiError
from policyengine.errors import PolicyEngineError
from policyengine.services.catalogue import Services

DESCRIPTION = (
    "Security policy as code for IoT fleets. Devices prove what they are and get a decision; people publish "
    "policies and ask why. Errors are problem documents (RFC 9457) with a stable `code`."
)

ROUTERS = (
    devices,
    gates,
    succession,
    decisions,
    policies,
    waivers,
    bundles,
    certificates,
    compliance,
    exports,
    exposure,
    audit,
    tokens,
    releases,
    sboms,
    muds,
    feeds,
    reports,
    webhooks,
    operation,
)

QUESTIONS = f"{OCSP}/"  # what stands below it by GET is a question, not a name of ours
MAX_ERRORS = 50  # a request with 10,000 wrong devices is told the first of them


def create_app(services: Services, *, options: Options) -> FastAPI:
    """Return the application over `services`; raises UndeclaredRouteError when a route lacks a permission."""
    app = _Application(
        title="policyengine",
        description=DESCRIPTION,
        version="1",
        docs_url=None,  # its page loads scripts from elsewhere, which the content security policy forbids
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # one spelling a path: `//v1/devices` is nothing, not a redirect
    )
    metrics = Metrics()
    app.state.services = services
    app.state.metrics = metrics
    app.state.options = options
    app.state.idempotency = Memory()
    app.state.limits = limits = Limits(rate=options.rate_per_second)
    app.router.routes[:] = [
        *device_routes(services, options=options, metrics=metrics),
        *gateway_routes(services, options=options, metrics=metrics),
        *(route for module in ROUTERS for route in module.router.routes),
        *gate_routes(services, options=options, limits=limits),
        *est_routes(services, options=options),
        *log_routes(services),
        *revocation_routes(services),
        *page_routes(),
        *oidc_login_routes(),
    ]
    _answer_errors_as_problems(app)
    app.add_middleware(Edge, options=options, metrics=metrics)
    for route in leaves(app.router.routes):
        permission_of(route)
    app.short = {
        (method, route.path.partition("{")[0]): Edge(_Named(route.endpoint), options=options, metrics=metrics)
        for route in app.router.routes
        if _is_called_often(route)
        for method in route.methods or ()
    }
    return app


def _is_called_often(route: BaseRoute) -> TypeGuard[Route]:
    """Tell whether `route` is of a device protocol, a gate's, or of relying parties that ask about certificates."""
    if isinstance(route, DeviceRoute | GateRoute):
        return not route.param_convertors
    return isinstance(route, PublicRoute) and route.path.startswith(OCSP)


class _Application(FastAPI):
    """FastAPI with a short way for device protocols and OCSP: endpoints behind the same edge, and nothing between.

    Two frameworks' own layers of middleware, none of which does anything for them, took as much CPU as their HTTP.
    """

    short: Mapping[tuple[str, str], Edge] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, lifespan or connection."""
        edge = None
        if scope["type"] == "http":
            path = scope["path"]
            edge = self.short.get((scope["method"], QUESTIONS if path.startswith(QUESTIONS) else path))
        await (super().__call__ if edge is None else edge)(scope, receive, send)


class _Named:
    """An endpoint that tells the edge its name, as the router does."""

    def __init__(self, endpoint: ASGIApp) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["endpoint"] = self._endpoint
        await self._endpoint(scope, receive, send)


def _answer_errors_as_problems(app: FastAPI) -> None:
    app.add_exception_handler(PolicyEngineError, _refused)
    app.add_exception_handler(PkiError, _refused)
    app.add_exception_handler(HTTPException, _not_served)
    app.add_exception_handler(RequestValidationError, _misshapen)


async def _refused(request: Request, error: Exception) -> Response:
    request.state.code = getattr(error, "code", None)
    return problem_of(error, request_id=request.state.request_id)


async def _not_served(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: no such path, no such method."""
    status = getattr(error, "status_code", 400)
    headers = getattr(error, "headers", None) or {}
    code = f"http.{status}"
    return problem(answer_for_code(code), code=code, headers=headers, request_id=request.state.request_id)


async def _misshapen(request: Request, error: Exception) -> Response:
    """Answer a body or parameter that does not have its declared shape, with every place at once."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [
        {"path": ".".join(map(str, item["loc"])), "message": _sentence(item["msg"])} for item in found[:MAX_ERRORS]
    ]
    detail = f"{errors[0]['path']}: {errors[0]['message']}" if errors else None
    code = "http.schema"
    fields = {"errors": errors}
    answer = answer_for_code(code)
    return problem(answer, code=code, detail=detail, fields=fields, request_id=request.state.request_id)


def _sentence(message: str) -> str:
    """Return the framework's sentence as ours begin; what it quotes, such as the values to choose from, stays."""
    return message[:1].lower() + message[1:]
