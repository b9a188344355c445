"""Exposure over a real store: who runs it now, since when, and nobody else's devices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from policyengine.services.actors import PersonRole, Principal
from policyengine.services.exposure.components import ComponentQuery
from policyengine.services.exposure.search import Exposed
from policyengine.services.fleet_scope import WHOLE_FLEET
from policyengine.services.ports import PageRequest
from tests.support.site import Site, ready_site

AUDITOR = Principal(name="Ada", role=PersonRole.AUDITOR)
ENROLLED = ("healthy", "debug", "tampered")


@pytest.fixture(scope="module")
def site(module_database: str) -> Iterator[Site]:
    made = ready_site(module_database)
    try:
        for scenario in ENROLLED:
            asyncio.run(made.enrol(made.of(scenario)[0]))
            made.clock.forward(timedelta(minutes=1))
        yield made
    finally:
        made.store.close()


def find(site: Site, viewer: Principal = AUDITOR, **query: str) -> dict[str, tuple[Exposed, ...]]:
    found = site.services.exposure.find(viewer, ComponentQuery(**query), WHOLE_FLEET, PageRequest())
    return {each[0].device.id: each for each in found.items}


def software(site: Site, scenario: str) -> list[dict[str, str]]:
    facts = site.services.devices.facts(AUDITOR, site.of(scenario)[0].planned.device_id)
    return facts["facts"]["software"]  # type: ignore[index]


def test_a_tampered_component_is_found_by_its_digest_where_it_runs_and_nowhere_else(site: Site) -> None:
    healthy = {item["digest"] for item in software(site, "healthy")}
    odd = next(item["digest"] for item in software(site, "tampered") if item.get("match") != "endorsed")
    assert odd not in healthy
    assert list(find(site, digest=odd)) == [site.of("tampered")[0].planned.device_id]


def test_a_device_is_exposed_since_it_was_first_decided_on_such_facts(site: Site) -> None:
    name = site.of("healthy")[0].planned.device_id
    site.clock.forward(timedelta(hours=1))
    nonce = site.services.challenges.issue(name).nonce
    asyncio.run(site.check_in(site.of("healthy")[0], nonce))
    enrolled: datetime = site.store.view(name).device.enrolled_at
    found = find(site, digest=software(site, "healthy")[0]["digest"])[name]
    assert (found[0].since, found[0].source) == (enrolled, "attested")


def test_a_vendor_finds_its_own_models_alone(site: Site) -> None:
    """Service ceilings section 7, line 32."""
    name = site.of("healthy")[0]
    digest = software(site, "healthy")[0]["digest"]
    stranger = Principal(name="x", role=PersonRole.VENDOR, models=frozenset({"gw-210"}))
    owner = Principal(name="y", role=PersonRole.VENDOR, models=frozenset({name.planned.model}))
    assert find(site, stranger, digest=digest) == {}
    assert name.planned.device_id in find(site, owner, digest=digest)
