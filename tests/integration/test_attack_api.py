"""People's routes over a real database: what a scoped token must not see, and what hostile members must not do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import pytest

from api.auth import leaves
from policyengine.errors import PolicyEngineError
from policyengine.model.ids import Digest
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ForbiddenError, InvalidRequestError
from policyengine.services.ports import PageRequest
from policyengine.services.registry.devices import NewDevice
from tests.support.site import Site, next_nonce, ready_site
from tests.unit.api import fakes

MINE = "gw-200"
HOSTILE = (
    *("\x00", "a\x00b", "'", "' OR 1=1 --", "%", "_%", '"', "\\", "\ud800".encode("utf-8", "surrogatepass").hex()),
    *(
        "../../etc/passwd",
        "//",
        "%2e%2e",
        ";admin",
        "gw-0001\n",
        "\u202e",
        "\x1b[31m",
        "*",
        "+",
        "A" * 600,
        "-1",
        "1e9",
    ),
)
MEMBERS = (
    *("cursor", "limit", "model", "tier", "lifecycle", "site", "zone", "prefix", "device", "status", "as_of"),
    *("fields", "rule", "state", "owner", "scope", "component", "purl", "version"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offices:
    """An installation, the routes that read, and what belongs to another vendor."""

    site: Site
    client: fakes.Client
    vendor: str
    admin: str
    foreign_device: str
    foreign_decision: str
    foreign_serial: str
    secrets: frozenset[str]


@pytest.fixture
def offices(database: str) -> Iterator[Offices]:
    site = ready_site(database)
    mine = next(device for device in site.of("healthy") if device.planned.model == MINE)
    foreign = next(device for device in site.of("healthy") if device.planned.model != MINE)
    asyncio.run(site.enrol(mine))
    reply = asyncio.run(site.enrol(foreign))
    with pytest.raises(PolicyEngineError):
        asyncio.run(site.check_in(mine, next_nonce(reply)))  # a security event on the foreign device
    view = site.store.view(foreign.planned.device_id)
    assert view is not None and view.certificate is not None and view.state is not None
    strangers = [device.planned for device in site.devices.values() if device.planned.model != MINE]
    decision = str(view.state.decision_id)
    names = {str(planned.device_id) for planned in strangers} | {planned.serial for planned in strangers}
    yield Offices(
        site=site,
        client=fakes.Client(fakes.application(site.services)),
        vendor=token(site, PersonRole.VENDOR, MINE),
        admin=token(site, PersonRole.ADMIN),
        foreign_device=str(foreign.planned.device_id),
        foreign_decision=decision,
        foreign_serial=view.certificate.serial,
        secrets=frozenset(names | {decision, view.certificate.serial}),
    )
    site.store.close()


def token(site: Site, role: PersonRole, *models: str) -> str:
    scope = frozenset(models) or None
    made = site.services.tokens.create(SYSTEM, name="test", role=role, lifetime=timedelta(days=1), models=scope)
    return made.secret


def readable(offices: Offices) -> list[str]:
    """Return the path templates of every route that reads."""
    routes = leaves(offices.client.app.router.routes)
    return sorted({route.path for route in routes if "GET" in (route.methods or ())})


def filled(offices: Offices, template: str) -> str:
    path = re.sub(r"\{decision\}|(?<=decisions/)\{name\}", offices.foreign_decision, template)
    path = path.replace("{serial}", offices.foreign_serial)
    return re.sub(r"\{\w+\}", offices.foreign_device, path)


def test_vendor_reads_nothing_of_another_vendors_devices_on_any_route(offices: Offices) -> None:
    """Service ceilings section 7, lines 2 and 32: every route, list, page and id of another's device."""
    paths = [filled(offices, template) for template in readable(offices) if template != "/problems/{code}"]
    asked = [*paths, f"/v1/certificates?device={offices.foreign_device}", "/v1/devices?model=plc-9&model=sn-40"]
    leaks = {}
    for path in asked:
        answer = offices.client.get(
            path, role=offices.vendor, headers={"Cookie": f"policyengine_session={offices.vendor}"}
        )
        told = {secret for secret in offices.secrets if secret in answer.text.replace(path, "")}
        if answer.status_code == 200 and told:
            leaks[path] = sorted(told)[:3]
        assert answer.status_code != 500, (path, answer.text)
    assert len(paths) > 20
    assert leaks == {}


def test_the_same_routes_do_tell_an_admin(offices: Offices) -> None:
    """Proves that the test above could fail."""
    answer = offices.client.get(f"/v1/devices/{offices.foreign_device}", role=offices.admin)
    assert (answer.status_code, offices.foreign_device in answer.text) == (200, True)


def test_hostile_query_members_are_refused_or_match_nothing(offices: Offices) -> None:
    """Line 34: quotes, wildcards, NUL and control characters never reach SQL or a parser as anything but a value."""
    lists = (
        "/v1/devices",
        "/v1/certificates",
        "/v1/security-events",
        "/v1/audit-events",
        "/v1/bundles",
        "/fleet/devices",
    )
    odd = {}
    for path in lists:
        for member in MEMBERS:
            for value in HOSTILE:
                asked = f"{path}?{member}={quote(value)}"
                answer = offices.client.get(
                    asked, role=offices.admin, headers={"Cookie": f"policyengine_session={offices.admin}"}
                )
                if answer.status_code not in {200, 400, 404, 422}:
                    odd[asked] = answer.status_code
    assert odd == {}


# Pages about codes, known or not; and OCSP, whose errors are answers of its own (RFC 6960 section 2.3).
SAYS_NO_BY_200 = ("/problems/", "/pki/ocsp/")


def test_hostile_path_members_are_refused(offices: Offices) -> None:
    """Line 23: nothing of a path reaches storage before it has the form of an id."""
    odd = {}
    for template in readable(offices):
        for value in HOSTILE:
            if "{" not in template:
                continue
            asked = re.sub(r"\{\w+(?::path)?\}", quote(value, safe=""), template)
            answer = offices.client.get(
                asked, role=offices.admin, headers={"Cookie": f"policyengine_session={offices.admin}"}
            )
            if answer.status_code not in {200, 400, 404, 422} or (
                answer.status_code == 200 and not asked.startswith(SAYS_NO_BY_200)
            ):
                odd[asked] = answer.status_code
    assert odd == {}


def test_wildcards_in_a_prefix_are_plain_characters(offices: Offices) -> None:
    """Line 25: `%` and `_` do not widen a filter."""
    found = [
        offices.client.get(f"/v1/devices?prefix={quote(text)}", role=offices.admin).json() for text in ("%", "_", "gw")
    ]
    assert (found[0], found[1], bool(found[2])) == ([], [], True)


SCOPED = {role: Principal(name="scoped", role=role, models=frozenset({MINE})) for role in PersonRole}


def test_token_for_some_models_announces_no_others(offices: Offices) -> None:
    planned = next(one.planned for one in offices.site.devices.values() if one.planned.model != MINE)
    device = NewDevice(id="new-1", vendor=planned.vendor, model=planned.model, serial="BO-99999999", labels={})
    with pytest.raises(ForbiddenError):
        offices.site.services.devices.announce(SCOPED[PersonRole.OPERATIONS], [device])
    assert offices.site.store.view(device.id) is None


def test_token_for_some_models_activates_no_bundle(offices: Offices) -> None:
    """What is in force is in force for the whole fleet."""
    active = offices.site.services.bundles.active()
    assert active is not None
    with pytest.raises(ForbiddenError):
        offices.site.services.bundles.activate(
            SCOPED[PersonRole.SECURITY], Digest(active.digest), expected_generation=active.generation
        )


def test_token_for_some_models_reads_no_acts_on_others(offices: Offices) -> None:
    with pytest.raises(ForbiddenError):
        offices.site.services.audit.events(SCOPED[PersonRole.OPERATIONS], PageRequest())


def test_admin_for_some_models_cannot_be_made(offices: Offices) -> None:
    """It could make itself a token without the limit."""
    with pytest.raises(InvalidRequestError):
        token(offices.site, PersonRole.ADMIN, MINE)
