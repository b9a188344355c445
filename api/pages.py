"""Read-only pages for people: rendered here, no script, nothing fetched from elsewhere.

The session cookie holds the API token and counts for these pages only; the API itself never reads it, so no other site
can make a browser act (the two forms check their origin as well).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from urllib.parse import parse_qs, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from api.auth import MAX_TOKEN, PageRoute, Permission, PublicRoute, authenticated, services_of
from api.paging import conditional
from api.problems import title_for
from api.rendering import TIERS, page
from api.selection import entity_tag
from api.sessions import COOKIE, end_session, set_session
from policyengine.model.decision import Tier
from policyengine.model.ids import device_id, digest
from policyengine.services.actors import Principal
from policyengine.services.authoring.check_explanation import CheckExplanation, explain_code
from policyengine.services.catalogue import Services
from policyengine.services.errors import ForbiddenError, MissingError, UnauthenticatedError
from policyengine.services.ports import DeviceFilter, PageRequest

MAX_FORM = 4096
ATTENTION = 20  # devices shown on the first page
RECENT = 10

Draw = Callable[[Services, Principal, Request], Response]


def page_routes() -> list[BaseRoute]:
    """Return the routes of the pages."""
    return [
        PageRoute("/", _seen(_overview), methods=["GET"], name="overview"),
        PageRoute("/fleet/devices", _seen(_devices), methods=["GET"], name="devices_page"),
        PageRoute("/fleet/devices/{name}", _seen(_device), methods=["GET"], name="device_page"),
        PageRoute("/fleet/decisions/{name}", _seen(_decision), methods=["GET"], name="decision_page"),
        PublicRoute("/login", _login_form, methods=["GET"], name="login_form"),
        PublicRoute("/login", _login, methods=["POST"], name="login"),
        PublicRoute("/logout", _logout, methods=["POST"], name="logout"),
        PublicRoute("/problems/{code}", _problem, methods=["GET"], name="problem_page"),
        PublicRoute("/static/style.css", _style, methods=["GET"], name="style"),
    ]


def _seen(draw: Draw) -> Callable[[Request], Awaitable[Response]]:
    """Return a route that draws for a signed-in person and sends everyone else to the login page."""

    def answer(request: Request) -> Response:
        services: Services = request.app.state.services
        try:
            viewer = authenticated(request, request.cookies.get(COOKIE, "")[:MAX_TOKEN])
            return draw(services, Permission.PAGE.check(viewer), request)
        except UnauthenticatedError:
            return RedirectResponse("/login", status_code=303)
        except MissingError:
            return page("notice", title="Nothing here", text="There is nothing of that name.", status=404)

    async def route(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    route.__name__ = draw.__name__.lstrip("_") + "_page"
    return route


def _overview(services: Services, viewer: Principal, _request: Request) -> Response:
    counts = services.devices.overview(viewer)
    totals = {tier: sum(by_tier.get(tier, 0) for by_tier in counts.values()) for tier in TIERS}
    few = PageRequest(limit=RECENT)
    return page(
        "overview",
        viewer=viewer,
        totals=totals,
        models=sorted(counts.items()),
        attention=_attention(services, viewer),
        security=_permitted(viewer, lambda: services.audit.security_events(viewer, few).items),
        acts=_permitted(viewer, lambda: services.audit.events(viewer, few).items),
        active=services.bundles.active(),
    )


def _attention(services: Services, viewer: Principal) -> list[object]:
    found: list[object] = []
    for tier in (Tier.DENY, Tier.QUARANTINE, Tier.LIMITED):
        wanted = PageRequest(limit=ATTENTION - len(found)) if len(found) < ATTENTION else None
        if wanted is not None:
            found += services.devices.list(viewer, DeviceFilter(tier=tier), wanted).items
    return found


def _permitted(viewer: Principal, read: Callable[[], tuple[object, ...]]) -> tuple[object, ...]:
    try:
        Permission.AUDIT.check(viewer)
        return read()
    except ForbiddenError:
        return ()


def _devices(services: Services, viewer: Principal, request: Request) -> Response:
    asked = {name: request.query_params.get(name, "")[:128] for name in ("tier", "model", "prefix")}
    where = DeviceFilter(
        tier=Tier[asked["tier"].upper()] if asked["tier"] in TIERS else None,
        models=frozenset({asked["model"]}) if asked["model"] else None,
        text=asked["prefix"] or None,
    )
    found = services.devices.list(viewer, where, PageRequest(cursor=request.query_params.get("cursor")))
    following = urlencode({**asked, "cursor": found.next}) if found.next else None
    models = sorted(services.devices.overview(viewer))
    return page("devices", viewer=viewer, rows=found.items, models=models, asked=asked, next=following)


def _device(services: Services, viewer: Principal, request: Request) -> Response:
    detail = services.devices.show(viewer, device_id(request.path_params["name"]))
    state = detail.state
    findings = _findings(services.audit.decision(viewer, state.decision_id)) if state else []
    return page(
        "device",
        viewer=viewer,
        device=detail.device,
        state=state,
        certificate=detail.certificate,
        wrong=[item for item in findings if item["result"] not in _QUIET],
        right=[item for item in findings if item["result"] == "pass"],
        timeline=services.devices.timeline(viewer, detail.device.id, PageRequest(limit=50)).items,
    )


def _decision(services: Services, viewer: Principal, request: Request) -> Response:
    explanation = services.audit.explain(viewer, digest(request.path_params["name"]))
    return page("decision", viewer=viewer, name=request.path_params["name"], text=explanation.text)


_QUIET = frozenset({"pass", "skip"})
_ORDER = {"fail": 0, "unknown": 1, "waived": 2}


def _findings(document: bytes) -> list[Mapping[str, object]]:
    """Return a decision's findings, enforced and failed ones first."""
    findings: list[Mapping[str, object]] = json.loads(document)["findings"]
    return sorted(findings, key=lambda item: (item["mode"] != "enforce", _ORDER.get(str(item["result"]), 3)))


async def _login_form(request: Request) -> Response:
    return page("login", providers=services_of(request).logins.choices)


async def _login(request: Request) -> Response:
    token = _token_of(await _form(request))
    try:
        await run_in_threadpool(authenticated, request, token[:MAX_TOKEN])
    except UnauthenticatedError:
        return page("login", providers=services_of(request).logins.choices, wrong=True, status=401)
    answer = RedirectResponse("/", status_code=303)
    set_session(answer, token)
    return answer


def _token_of(form: bytes) -> str:
    try:
        fields = parse_qs(form.decode("ascii", "replace"), max_num_fields=4)
    except ValueError:  # more fields than any form of ours has
        return ""
    return fields.get("token", [""])[0].strip()


async def _logout(request: Request) -> Response:
    await _form(request)
    await run_in_threadpool(services_of(request).logins.end, request.cookies.get(COOKIE, "")[:MAX_TOKEN])
    answer = RedirectResponse("/login", status_code=303)
    end_session(answer)
    return answer


async def _form(request: Request) -> bytes:
    """Return the body of a form sent by our own pages; raises ForbiddenError for one from elsewhere."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("//")[2] != request.headers.get("host"):
        raise ForbiddenError("the form was not sent by a page of this server")
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise ForbiddenError("the form was not sent by a page of this server")
    return (await request.body())[:MAX_FORM]


async def _problem(request: Request) -> Response:
    code = request.path_params["code"][:64]
    if not all(part.replace("-", "").isalnum() and part.isascii() for part in code.split(".")):
        return page("notice", title="Nothing here", text="There is no such code.", status=404)
    text = "The answer's `detail` says what was wrong with this one request; `request_id` finds it in the server's log."
    found = explain_code(code)
    return page("notice", title=title_for(code), code=code, text=text if found is None else f"{_said(found)} {text}")


def _said(found: CheckExplanation) -> str:
    """Return what a check or the code of a refusal means, in sentences."""
    asked = f"It asks for {found.passes_when} ({found.clause})." if found.passes_when else ""
    meant = f"It means: {found.meaning}." if found.meaning else ""
    return " ".join(filter(None, (asked, meant, f"Read on at {found.documentation}." if found.documentation else "")))


async def _style(request: Request) -> Response:
    return conditional(request, _STYLE, media_type="text/css", tag=_STYLE_TAG, max_age=3600)


_STYLE = files("api").joinpath("static/style.css").read_bytes()
_STYLE_TAG = entity_tag(_STYLE)
