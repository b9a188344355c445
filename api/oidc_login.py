"""Signing in at an own provider: the way there and back (services/access/logins.py).

What the browser must bring back is in a cookie that no other site and no other host can set or read (`__Host-`,
RFC 6265bis section 4.1.3.2), and is `Lax`, because the provider sends the browser here. The session cookie stays
`Strict`; so the way back ends in a page that goes on by itself, since a redirect would still count as the provider's.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from api.auth import PublicRoute, services_of
from api.limits import Limits, source_of
from api.rendering import page
from api.sessions import set_session
from policyengine.services.access.issuers import CALLBACK
from policyengine.services.errors import MissingError, UnauthenticatedError, UnavailableError

COOKIE = "__Host-policyengine_login"
SECONDS = 600  # to type a password and find a second factor
_CLAIMED = "login"  # what failures on the way back count against, beside the address


def oidc_login_routes() -> list[BaseRoute]:
    """Return the routes of signing in at a provider."""
    return [
        PublicRoute("/login/oidc/{place}", _begin, methods=["GET"], name="oidc_login"),
        PublicRoute(CALLBACK, _finish, methods=["GET"], name="oidc_callback"),
    ]


async def _begin(request: Request) -> Response:
    try:
        begun = await run_in_threadpool(services_of(request).logins.begin, request.path_params["place"])
    except MissingError:
        return page("notice", title="Nothing here", text="There is no such provider.", status=404)
    except UnavailableError:
        return page("notice", title="Not now", text="The provider cannot be reached. Try again.", status=503)
    answer = RedirectResponse(begun.address, status_code=303)
    answer.set_cookie(COOKIE, begun.cookie, max_age=SECONDS, secure=True, httponly=True, samesite="lax", path="/")
    return answer


async def _finish(request: Request) -> Response:
    limits: Limits = request.app.state.limits
    source = source_of(request.scope, request.app.state.options.trusted_proxies)
    limits.demand_unlocked(source, _CLAIMED)
    asked = request.query_params
    try:
        made = await run_in_threadpool(
            services_of(request).logins.finish,
            request.cookies.get(COOKIE, ""),
            code=asked.get("code", ""),
            state=asked.get("state", ""),
            issuer=asked.get("iss"),
        )
    except UnauthenticatedError as refusal:
        limits.failed(source, _CLAIMED)
        return _forgotten(page("notice", title="Not signed in", text=f"{refusal.message}.", status=401))
    except UnavailableError:
        return page("notice", title="Not now", text="The provider cannot be reached. Try again.", status=503)
    answer = page("notice", title="Signed in", text="You are signed in; the first page follows.")
    answer.headers["Refresh"] = "0; url=/"
    set_session(answer, made.secret)
    return _forgotten(answer)


def _forgotten(answer: Response) -> Response:
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return answer
