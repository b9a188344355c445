"""Who may call what: every route declares one permission, and an application with one that does not cannot start."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Annotated

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route

from api.limits import Limits, claimed_by, source_of
from policyengine.services.access.workloads import MAX_TOKEN_BYTES, looks_like_token
from policyengine.services.actors import PersonRole, Principal, Right, demand
from policyengine.services.catalogue import Services
from policyengine.services.errors import UnauthenticatedError

BEARER = "bearer "

MAX_TOKEN = 256  # ours have about 70 characters; more is not a token


class Permission(Enum):
    """What a route asks of its caller: nothing, a proof of another kind, or a right of people (services.actors)."""

    PUBLIC = ("public", None)  # anyone: it tells nothing that is not public
    DEVICE = ("device", None)  # a device, which proves itself to the use case and not by a token
    PAGE = ("page", Right.READ)  # a person with a session cookie, read only
    READ = ("read", Right.READ)
    OPERATE = ("operate", Right.OPERATE)
    PUBLISH = ("publish", Right.PUBLISH)
    PROPOSE = ("propose", Right.PROPOSE)
    ACTIVATE = ("activate", Right.ACTIVATE)
    CERTIFY = ("certify", Right.CERTIFY)
    REVOKE = ("revoke", Right.REVOKE)
    CONCUR = ("concur", Right.CONCUR)
    AUDIT = ("audit", Right.AUDIT)
    MEASURE = ("measure", Right.MEASURE)
    GATE = ("gate", Right.GATE)
    INSPECT = ("inspect", Right.INSPECT)
    ADMINISTER = ("administer", Right.ADMINISTER)

    def __init__(self, label: str, right: Right | None) -> None:
        self.label = label
        self.right = right

    @property
    def roles(self) -> frozenset[PersonRole]:
        """The roles that have it beside admin; none where no token is asked for."""
        return frozenset() if self.right is None else self.right.roles

    def check(self, actor: Principal) -> Principal:
        """Return `actor`; raises ForbiddenError when its role does not have this permission."""
        if self.right is not None:
            demand(actor, self.right)
        return actor


class Needs:
    """A dependency that yields the caller when it has `permission`, and marks the route as declared."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Principal:
        """Return the token's holder. Raises UnauthenticatedError (401) and ForbiddenError (403)."""
        return self.permission.check(authenticated(request, bearer(request)))


class Open:
    """A dependency that marks a route as deliberately open to everyone."""

    permission = Permission.PUBLIC

    def __call__(self) -> None:
        """Let everyone pass."""


class DeviceRoute(Route):
    """A plain Starlette route of a device protocol or public document; its callers carry no token."""

    permission = Permission.DEVICE


class GateRoute(Route):
    """A plain Starlette route of enforcement points; their token is checked by the route itself."""

    permission = Permission.GATE


class PublicRoute(Route):
    """A plain Starlette route that tells everyone the same."""

    permission = Permission.PUBLIC


class PageRoute(Route):
    """A route of the read-only pages; the session cookie is checked by the page itself."""

    permission = Permission.PAGE


Reader = Annotated[Principal, Depends(Needs(Permission.READ))]
Operator = Annotated[Principal, Depends(Needs(Permission.OPERATE))]
Publisher = Annotated[Principal, Depends(Needs(Permission.PUBLISH))]
Proposer = Annotated[Principal, Depends(Needs(Permission.PROPOSE))]
Activator = Annotated[Principal, Depends(Needs(Permission.ACTIVATE))]
Certifier = Annotated[Principal, Depends(Needs(Permission.CERTIFY))]
Revoker = Annotated[Principal, Depends(Needs(Permission.REVOKE))]
Concurrer = Annotated[Principal, Depends(Needs(Permission.CONCUR))]
Auditor = Annotated[Principal, Depends(Needs(Permission.AUDIT))]
Meter = Annotated[Principal, Depends(Needs(Permission.MEASURE))]
Gatekeeper = Annotated[Principal, Depends(Needs(Permission.GATE))]
Inspector = Annotated[Principal, Depends(Needs(Permission.INSPECT))]
Admin = Annotated[Principal, Depends(Needs(Permission.ADMINISTER))]


def services_of(request: Request) -> Services:
    """Return the use cases of this application."""
    services: Services = request.app.state.services
    return services


def authenticated(request: Request, secret: str) -> Principal:
    """Return whose credential `secret` is. Raises UnauthenticatedError, and ThrottledError for one that came too often.

    Whoever failed too often is not even compared, so that guessing costs the guesser and not the server.
    """
    limits: Limits = request.app.state.limits
    source, claimed = source_of(request.scope, request.app.state.options.trusted_proxies), claimed_by(secret)
    limits.demand_unlocked(source, claimed)
    try:
        actor = _actor(services_of(request), secret)
    except UnauthenticatedError:
        limits.failed(source, claimed)
        raise
    limits.passed(source, claimed)
    limits.spend(claimed or actor.name)
    return actor


def _actor(services: Services, secret: str) -> Principal:
    if looks_like_token(secret):
        return services.workloads.authenticate(secret)
    if len(secret) > MAX_TOKEN:
        raise UnauthenticatedError("this is no token of ours")
    return services.tokens.authenticate(secret)


Catalogue = Annotated[Services, Depends(services_of)]


def bearer(request: Request) -> str:
    """Return the bearer token of the one Authorization header (RFC 6750 section 2.1); raises UnauthenticatedError."""
    values = request.headers.getlist("authorization")
    if len(values) != 1 or not values[0].lower().startswith(BEARER):
        raise UnauthenticatedError("say `Authorization: Bearer TOKEN`, once")
    token = values[0][len(BEARER) :].strip()
    if not token or len(token) > MAX_TOKEN_BYTES:
        raise UnauthenticatedError("this is no token of ours")
    return token


class UndeclaredRouteError(Exception):
    """A programming error: a route without a permission."""


def permission_of(route: BaseRoute) -> Permission:
    """Return what `route` declares; raises UndeclaredRouteError when it declares nothing."""
    if isinstance(route, APIRoute):
        declared = {call.permission for call in _calls(route.dependant) if isinstance(call, Needs | Open)}
        if len(declared) == 1:
            return declared.pop()
        raise UndeclaredRouteError(f"{route.path} declares {len(declared)} permissions")
    permission = getattr(route, "permission", None)
    if isinstance(permission, Permission):
        return permission
    raise UndeclaredRouteError(f"{getattr(route, 'path', route)} declares no permission")


def leaves(routes: list[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield every route that can answer; an inner application is not looked into and must declare itself."""
    for route in routes:
        if isinstance(route, Mount):
            raise UndeclaredRouteError(f"{route.path} is mounted; its routes would escape the table of permissions")
        yield route


def _calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)
