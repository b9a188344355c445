"""What is filed of a release becomes facts of the devices that run it, over real databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from policyengine.model.ids import PartyName
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ForbiddenError, InvalidRequestError, MissingError
from policyengine.services.exposure.components import ComponentQuery
from policyengine.services.fleet_scope import WHOLE_FLEET
from policyengine.services.ports import PageRequest
from policyengine.simulation import device as simulated
from policyengine.simulation.device import SimulatedDevice
from tests.support import postgres
from tests.support.site import Site, next_nonce, ready_site, request

PURL = "pkg:generic/busybox@1.37.0"


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))]
)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('supplies') / 'store.db'}"
    else:
        url = postgres.new_database(request.getfixturevalue("postgres_server"))
    made = ready_site(url)
    for scenario in ("healthy", "tampered"):
        asyncio.run(made.enrol(made.of(scenario)[0]))
    made.clock.forward(timedelta(minutes=1))
    yield made
    made.store.close()


def sbom(version: str, *names: str) -> bytes:
    parts = [
        {"type": "library", "name": name, "version": "1.37.0", "purl": f"pkg:generic/{name}@1.37.0", "bom-ref": name}
        for name in names
    ]
    subject = {"component": {"type": "firmware", "name": "gw", "version": version}}
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": subject, "components": parts}
    ).encode()


def release_of(device: SimulatedDevice) -> str:
    return device.planned.release.version


def facts_of(site: Site, device: SimulatedDevice) -> Mapping[str, Any]:
    return site.services.devices.facts(SYSTEM, device.planned.device_id)


def file(site: Site, device: SimulatedDevice, *names: str, actor: Principal = SYSTEM) -> None:
    release = release_of(device)
    site.services.sboms.file(actor, device.planned.model, release, sbom(release, *names))


def decide_again(site: Site) -> None:
    """Let the sweep do what filing asked for."""
    site.services.sweep.run()


def test_a_silent_device_is_decided_again_on_the_sbom_of_its_release(site: Site) -> None:
    device = site.of("healthy")[0]
    file(site, device, "busybox")
    decide_again(site)
    found = facts_of(site, device)
    assert found["facts"]["sbom"]["present"] is True
    assert [each["purl"] for each in found["facts"]["sbom"]["components"]] == [PURL]
    assert found["provenance"]["sbom"]["source"] == "declared"


def test_a_check_in_has_the_sbom_filed_last_and_names_its_document(site: Site) -> None:
    device = site.of("healthy")[1]
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    file(site, device, "busybox", "zlib")
    asyncio.run(site.check_in(device, nonce))
    filed, content = site.services.sboms.original(SYSTEM, device.planned.model, release_of(device))
    found = facts_of(site, device)
    assert [each["name"] for each in found["facts"]["sbom"]["components"]] == ["busybox", "zlib"]
    assert found["provenance"]["sbom"]["evidence_digest"] == filed.original
    assert content == sbom(release_of(device), "busybox", "zlib")


def test_exposure_answers_by_any_version_of_a_package(site: Site) -> None:
    """Issue 6 item 3: which devices run component X."""
    device = site.of("healthy")[0]
    file(site, device, "busybox")
    decide_again(site)
    query = ComponentQuery(purl="pkg:generic/busybox", versions="vers:dotted/<1.38")
    found = site.services.exposure.find(SYSTEM, query, WHOLE_FLEET, PageRequest()).items
    assert device.planned.device_id in {each[0].device.id for each in found}
    assert {sighting.source for each in found for sighting in each} == {"declared"}


def test_a_device_whose_software_is_no_release_has_no_sbom(site: Site) -> None:
    """What it runs is not known, so its rules are unknown, not failed."""
    device = site.of("tampered")[0]
    file(site, site.of("healthy")[0], "busybox")
    site.services.sboms.file(SYSTEM, device.planned.model, release_of(device), sbom(release_of(device), "zlib"))
    decide_again(site)
    assert "sbom" not in facts_of(site, device)["facts"]


def test_what_a_device_reports_of_itself_does_not_hide_what_is_filed(site: Site) -> None:
    device = site.of("healthy")[2]
    file(site, device, "busybox")
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    site.clock.forward(timedelta(minutes=1))
    said = {**simulated.check_in(device, nonce), "reported": {"sbom": {"components": []}}}
    asyncio.run(site.services.checkins.check_in(request(said)))
    assert [each["name"] for each in facts_of(site, device)["facts"]["sbom"]["components"]] == ["busybox"]


def test_filing_is_an_act_in_the_log_that_names_its_author(site: Site) -> None:
    device = site.of("healthy")[0]
    party = PartyName(site.store.view(device.planned.device_id).device.vendor)
    models = frozenset({device.planned.model})
    actor = Principal(name="acme-ci", role=PersonRole.VENDOR, party=party, models=models)
    file(site, device, "busybox", actor=actor)
    newest = site.services.audit.events(SYSTEM, PageRequest(limit=1)).items[0]
    assert (newest.actor, newest.action, newest.subject) == (
        "acme-ci",
        "sbom.file",
        f"{device.planned.model}/{release_of(device)}",
    )


def test_a_model_of_another_vendor_answers_like_one_that_is_not_there(site: Site) -> None:
    model = site.of("healthy")[0].planned.model
    stranger = Principal(name="x", role=PersonRole.VENDOR, models=frozenset({"other"}))
    for name in (model, "gw-999"):
        with pytest.raises(MissingError, match="there is no such model"):
            site.services.sboms.file(stranger, name, "4.2.1", sbom("4.2.1"))


def test_another_party_with_sight_of_the_model_files_nothing(site: Site) -> None:
    model = site.of("healthy")[0].planned.model
    other = Principal(name="x", role=PersonRole.VENDOR, party=PartyName("vendor-x"), models=frozenset({model}))
    with pytest.raises(ForbiddenError):
        site.services.sboms.file(other, model, "4.2.1", sbom("4.2.1"))


def test_an_auditor_files_nothing(site: Site) -> None:
    auditor = Principal(name="Ada", role=PersonRole.AUDITOR)
    with pytest.raises(ForbiddenError):
        site.services.sboms.file(auditor, "gw-200", "4.2.1", sbom("4.2.1"))


def test_an_sbom_of_another_version_is_refused(site: Site) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        site.services.sboms.file(SYSTEM, "gw-200", "4.2.1", sbom("4.2.0"))
    assert refused.value.code == "sbom.subject"


@pytest.mark.parametrize("release", ["", "../x", "a" * 65, "4.2 1"])
def test_a_version_that_is_no_name_is_refused(site: Site, release: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        site.services.sboms.file(SYSTEM, "gw-200", release, sbom(release))
    assert refused.value.code == "request.version"


def test_every_decision_made_on_filed_facts_is_made_again_the_same(site: Site) -> None:
    """DESIGN section 1: replay gives the same bytes, whatever was filed since."""
    found = site.services.audit.replay()
    assert found.checked > 0
    assert found.differences == ()
