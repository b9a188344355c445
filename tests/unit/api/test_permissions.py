"""Every route declares a permission, and the permission holds (research: classes 1, 2, 26, 32, 33, 40)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.routing import Mount, Route

from api.auth import Permission, UndeclaredRouteError, leaves, permission_of
from policyengine.services.actors import PersonRole
from tests.unit.api import fakes

OPEN = {Permission.PUBLIC, Permission.DEVICE, Permission.PAGE}

# What anyone may call; a new entry here is a decision.
PUBLIC = {
    "/livez",
    "/readyz",
    "/openapi.json",
    "/pki/ca-bundle",
    "/pki/trust-bundle",
    "/.well-known/est/cacerts",
    "/.well-known/est/csrattrs",
    "/.well-known/est/{label}/cacerts",
    "/.well-known/est/{label}/csrattrs",
    "/pki/crl/{issuer}.crl",
    "/pki/crl/{issuer}/{name}.crl",
    "/pki/ocsp",
    "/pki/ocsp/{question:path}",
    "/log/checkpoint",
    "/log/vkey",
    "/log/tile/entries/{place:path}",
    "/log/tile/{level}/{place:path}",
    "/.well-known/jwks.json",
    "/login",
    "/login/oidc/{place}",
    "/login/callback",
    "/logout",
    "/problems/{code}",
    "/static/style.css",
}


def guarded(app: FastAPI) -> Iterator[tuple[str, str, Permission]]:
    for route in leaves(app.router.routes):
        permission = permission_of(route)
        if permission not in OPEN:
            path = re.sub(r"\{decision\}|\{name\}(?=/activate)", fakes.DIGEST, route.path)
            path = re.sub(r"\{name\}", "gw-0001", path).replace("{serial}", "1f").replace("{token}", "t1")
            path += "?for=network" if "gate" in path.split("/") else ""
            yield from (
                (method, path, permission) for method in sorted((route.methods or set()) - {"HEAD"})
            )  # GET without its body


APP = fakes.application(fakes.services())
GUARDED = sorted(guarded(APP), key=str)


VALID = {
    "/v1/devices": {"devices": [{"id": "gw-9", "vendor": "v", "model": "m", "serial": "s"}]},
    "/v1/tokens": {"name": "ci", "role": "auditor"},
    "/v1/devices/gw-0001/tokens": {},
    "/v1/bundles": {},
    "confirm": {"proposal": fakes.PROPOSAL.id},
    "withdraw": {"proposal": fakes.PROPOSAL.id, "reason": "explained"},
    "replace": {"by": "gw-0002", "reason": "broken"},
    "gateways": {"gateways": ["gw-0002"], "reason": "behind it"},
    "activate": {"expected_generation": 7},
}


def body_for(path: str) -> object:
    """Return a body that the route would take from the right caller."""
    return VALID.get(path, VALID.get(path.rsplit("/", 1)[-1], {"reason": "superseded"}))


def test_the_table_of_guarded_routes_is_not_empty() -> None:
    assert len(GUARDED) > 25


def test_what_is_public_is_exactly_this() -> None:
    assert {route.path for route in leaves(APP.router.routes) if permission_of(route) is Permission.PUBLIC} == PUBLIC


@pytest.mark.parametrize(("method", "path", "permission"), GUARDED)
def test_nobody_gets_in_without_a_token(client: fakes.Client, method: str, path: str, permission: Permission) -> None:
    answer = client.request(method, path, json=body_for(path))
    assert answer.status_code == 401, permission
    assert answer.headers["www-authenticate"].startswith("Bearer")


WRONG = [
    (role, method, path)
    for method, path, permission in GUARDED
    for role in PersonRole
    if role is not PersonRole.ADMIN and role not in permission.roles
]


@pytest.mark.parametrize(("role", "method", "path"), WRONG)
def test_a_role_without_the_permission_is_refused(
    client: fakes.Client, role: PersonRole, method: str, path: str
) -> None:
    answer = client.request(method, path, role=role.value, json=body_for(path))
    assert answer.status_code == 403
    assert answer.json()["code"] == "actor.forbidden"


def test_an_auditor_changes_nothing() -> None:
    """An export is asked for by POST because it takes time; it changes no record."""
    asking = "/v1/evidence-exports"
    changing = {permission for method, path, permission in GUARDED if method != "GET" and path != asking}
    assert not any(PersonRole.AUDITOR in permission.roles for permission in changing)


def test_a_vendor_may_only_read_and_propose() -> None:
    assert {permission for permission in Permission if PersonRole.VENDOR in permission.roles} == {
        Permission.READ,
        Permission.PAGE,
        Permission.PROPOSE,
    }


def test_a_foreign_device_answers_like_a_missing_one(client: fakes.Client) -> None:
    foreign = client.get("/v1/devices/gw-0001", role="vendor:other-model").json()
    missing = client.get("/v1/devices/gw-9999", role="vendor:other-model").json()
    del foreign["request_id"], missing["request_id"]
    assert foreign == missing


def test_an_unknown_token_and_no_token_of_ours_answer_alike(client: fakes.Client) -> None:
    answers = [client.get("/v1/devices", role=role).json() for role in ("unknown", "pe_1_wrong")]
    for answer in answers:
        del answer["request_id"]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("value", ["", "Basic YTpi", "Bearer", "Bearer ", "admin", "Bearer " + "a" * 300])
def test_an_authorization_that_is_no_bearer_token_is_refused(client: fakes.Client, value: str) -> None:
    assert client.get("/v1/devices", headers={"Authorization": value}).status_code == 401


def test_two_authorization_headers_are_refused(client: fakes.Client) -> None:
    """RFC 9110 section 5.3: two values that are no list are ambiguous."""
    answer = client.get("/v1/devices", headers={"authorization": "Bearer auditor"}, role="admin")
    assert answer.status_code == 401


def test_the_api_does_not_accept_the_cookie_of_the_pages(client: fakes.Client) -> None:
    assert client.get("/v1/devices", headers={"Cookie": "policyengine_session=admin"}).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "//v1/devices",
        "/v1//devices",
        "/V1/devices",
        "/v1/devices/",
        "/v1/devices;x",
        "/x/../v1/tokens/",
        "/v1/%2e%2e/x",
    ],
)
def test_another_spelling_of_a_path_is_no_way_around(client: fakes.Client, path: str) -> None:
    assert client.get(path).status_code in {401, 404}
    assert client.get(path, role="admin").status_code in {400, 404}


def test_a_route_without_a_permission_is_found() -> None:
    async def forgotten(request: object) -> None: ...

    with pytest.raises(UndeclaredRouteError, match="forgotten"):
        permission_of(Route("/forgotten", forgotten))


def test_a_mounted_application_cannot_escape_the_table() -> None:
    with pytest.raises(UndeclaredRouteError, match="mounted"):
        list(leaves([Mount("/inner", routes=[])]))


def test_token_of_a_workload_is_asked_about_where_its_issuer_is_known(client: fakes.Client) -> None:
    assert client.get("/v1/devices", role="engineering.of.workload").status_code == 200


def test_token_of_a_workload_has_the_rights_of_its_role_alone(client: fakes.Client) -> None:
    assert client.get("/v1/tokens", role="engineering.of.workload").status_code == 403
