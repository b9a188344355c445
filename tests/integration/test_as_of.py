"""Reads of a past moment over a real store: they answer what was answered then, whatever has happened since."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from urllib.parse import urlencode

import pytest

from pki.revocation import Reason
from policyengine.model.base64url import base64url
from policyengine.model.ids import DeviceId
from policyengine.model.times import format_timestamp
from policyengine.services.actors import SYSTEM, PersonRole
from policyengine.services.registry.devices import NewDevice
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, put_in_force, ready_site
from tests.unit.api import fakes

MINE = "gw-200"
ENROLLED = ("healthy", "debug", "tampered")
FAILS_DEBUG = (b'"etsi:5.6-4", "nist', b'"etsi:5.12-1", "nist')


@dataclass(slots=True)
class Past:
    """A site, who asks it, and what was answered when."""

    site: Site
    auditor: str
    client: fakes.Client
    devices: dict[str, DeviceId]
    serials: dict[str, str]
    vendor: str
    first: datetime
    asked: dict[str, tuple[datetime, dict[str, object]]] = field(default_factory=dict)

    def get(self, path: str, *, as_of: datetime | None = None, role: str | None = None) -> tuple[int, object]:
        if as_of is not None:
            path += ("&" if "?" in path else "?") + urlencode({"as_of": format_timestamp(as_of)})
        answer = self.client.get(path, role=role or self.auditor)
        return answer.status_code, answer.json()

    def everything(self, at: datetime | None = None) -> dict[str, object]:
        return {path: _comparable(self.get(path, as_of=at)) for path in self.paths()}

    def ask(self, name: str) -> None:
        answers = self.everything()
        self.asked[name] = (self.site.clock.now(), answers)
        self.site.clock.forward(timedelta(minutes=1))

    def paths(self) -> list[str]:
        lists = ("devices?limit=500", "devices?tier=quarantine", "devices?lifecycle=retired", "devices?site=plant-b")
        fleet = ("bundles", "bundles/active", "policies", "audit-events?limit=500", "certificates")
        counted = ("certificates?status=good", "compliance", f"compliance/etsi:5.12-1/devices?scope=model:{MINE}")
        named = ("exposure?component=app", "models/gw-200/releases", f"certificates/{self.serials['healthy']}")
        parts = ("", "/facts", "/decisions", "/timeline", "/explanation")
        of_one = [f"devices/{self.devices['healthy']}{part}" for part in parts]
        others = (f"devices/{self.devices['debug']}", f"devices/{self.devices['tampered']}")
        return [f"/v1/{path}" for path in (*lists, *fleet, *counted, *named, *of_one, *others)]


def _comparable(answer: tuple[int, object]) -> object:
    """Return an answer without the moment it is for, and without what a device said last while nothing changed."""
    text = json.dumps(answer)
    status, body = json.loads(text)
    for row in body if isinstance(body, list) else [body]:
        row.pop("as_of", None)
        row.pop("request_id", None)
        if isinstance(row.get("state"), dict):
            row["state"].pop("last_seen")
    return status, body


def _check_in(site: Site, device: SimulatedDevice) -> None:
    asyncio.run(site.check_in(device, site.services.challenges.issue(device.planned.device_id).nonce))


def _token(site: Site, role: PersonRole, *models: str) -> str:
    scope = frozenset(models) or None
    return site.services.tokens.create(
        SYSTEM, name=role.value, role=role, lifetime=timedelta(days=80), models=scope
    ).secret


def _play(site: Site) -> Past:
    """Enrol, hold, quarantine, transfer, activate, revoke, retire and rekey; everything is asked for after each."""
    first = site.clock.now()
    site.clock.forward(timedelta(minutes=1))
    devices = {scenario: site.of(scenario)[0] for scenario in ENROLLED}
    for device in devices.values():
        asyncio.run(site.enrol(device))
    ids = {scenario: DeviceId(device.planned.device_id) for scenario, device in devices.items()}
    views = {scenario: site.store.view(name) for scenario, name in ids.items()}
    past = Past(
        site=site,
        auditor=_token(site, PersonRole.AUDITOR),
        vendor=_token(site, PersonRole.VENDOR, MINE),
        client=fakes.Client(fakes.application(site.services)),
        devices=ids,
        serials={name: view.certificate.serial for name, view in views.items() if view and view.certificate},
        first=first,
    )
    services, healthy = site.services, ids["healthy"]
    past.ask("enrolled")
    services.certificates.hold(SYSTEM, past.serials["healthy"], reason="looked at")
    past.ask("on hold")
    services.devices.quarantine(SYSTEM, healthy, reason="odd traffic")
    past.ask("quarantined")
    elsewhere = "plant-b" if devices["healthy"].planned.site != "plant-b" else "lab-berlin"
    services.succession.transfer(SYSTEM, healthy, site=elsewhere, zone=None, reason="moved")
    past.ask("transferred")
    put_in_force(site, engineering__boot_integrity=FAILS_DEBUG)
    _check_in(site, devices["debug"])
    past.ask("other bundle")
    services.certificates.revoke(SYSTEM, past.serials["healthy"], reason=Reason.CESSATION_OF_OPERATION)
    services.devices.retire(SYSTEM, ids["tampered"], reason="sold")
    new = NewDevice(
        id=DeviceId("gw-new"), vendor=devices["healthy"].planned.vendor, model=MINE, serial="AC-99999999", labels={}
    )
    services.devices.announce(SYSTEM, [new])
    past.ask("retired")
    services.succession.rekey(SYSTEM, healthy, serial=None, reason="another board")
    past.ask("rekeyed")
    return past


@pytest.fixture(scope="module")
def past(module_database: str) -> Iterator[Past]:
    site = ready_site(module_database)
    try:
        yield _play(site)
    finally:
        site.store.close()


def test_every_read_answers_for_then_what_it_answered_then(past: Past) -> None:
    """Issue 6, proof: answers for a past moment equal what was recorded then."""
    different = {
        f"{name}: {path}": (now, said[path])
        for name, (at, said) in past.asked.items()
        for path, now in past.everything(at).items()
        if now != said[path]
    }
    assert different == {}


def test_every_step_changed_what_is_read(past: Past) -> None:
    """Without it the test above could not fail."""
    answers = [said for _, said in past.asked.values()]
    changed = [{path for path in before if before[path] != after[path]} for before, after in pairwise(answers)]
    untouched = set(past.paths()).difference(*changed)
    assert all(changed)
    assert untouched == {"/v1/models/gw-200/releases"}


def test_before_the_first_record_there_is_nothing(past: Past) -> None:
    before = past.site.clock.now() - timedelta(days=400)
    assert past.get("/v1/devices", as_of=before) == (200, [])
    assert past.get("/v1/certificates", as_of=before) == (200, [])
    assert past.get("/v1/exposure?component=app", as_of=before) == (200, [])
    assert [
        past.get(path, as_of=before)[0]
        for path in (f"/v1/devices/{past.devices['healthy']}", "/v1/bundles/active", "/v1/policies")
    ] == [404, 404, 404]


def test_a_device_that_was_announced_and_not_enrolled_had_no_state(past: Past) -> None:
    status, device = past.get(f"/v1/devices/{past.devices['healthy']}", as_of=past.first)
    assert isinstance(device, dict)
    assert (status, device["lifecycle"], device["state"], device["certificate"]) == (200, "expected", None, None)


def test_a_certificate_is_good_then_and_revoked_and_expired_now(past: Past) -> None:
    past.site.clock.forward(timedelta(days=40))
    path = f"/v1/certificates/{past.serials['healthy']}"
    at, _ = past.asked["enrolled"]
    ((_, now), (_, then)) = past.get(path), past.get(path, as_of=at)
    assert isinstance(now, dict)
    assert isinstance(then, dict)
    assert (then["status"], then["expired"], now["status"], now["expired"]) == ("good", False, "revoked", True)


def test_vendor_reads_nothing_of_anothers_past(past: Past) -> None:
    """Service ceilings section 7, line 32: a foreign id answers like a missing one, at any moment."""
    foreign = next(device.planned.device_id for device in past.site.devices.values() if device.planned.model != MINE)
    at, _ = past.asked["retired"]
    for part in ("", "/facts", "/decisions", "/timeline", "/explanation"):
        hidden = past.get(f"/v1/devices/{foreign}{part}", as_of=at, role=past.vendor)
        absent = past.get(f"/v1/devices/no-such-device{part}", as_of=at, role=past.vendor)
        assert _comparable(hidden) == _comparable(absent)
    _, seen = past.get("/v1/devices?limit=500", as_of=at, role=past.vendor)
    assert isinstance(seen, list)
    assert {row["model"] for row in seen} == {MINE}


def test_pages_of_the_past_show_every_device_once(past: Past) -> None:
    at, said = past.asked["retired"]
    names: list[str] = []
    path: str | None = f"/v1/devices?limit=7&{urlencode({'as_of': format_timestamp(at)})}"
    while path is not None:
        answer = past.client.get(path, role=past.auditor)
        names += [row["id"] for row in answer.json()]
        path = answer.links["next"]["url"] if "next" in answer.links else None
    _, whole = said["/v1/devices?limit=500"]  # type: ignore[misc]
    assert names == [row["id"] for row in whole]


@pytest.mark.parametrize("cursor", ["%00", base64url(b"a\x00b"), "A" * 500, base64url(b"a\nb\nc")])
def test_a_cursor_of_somebody_elses_making_is_refused_in_the_past_too(past: Past, cursor: str) -> None:
    at, _ = past.asked["enrolled"]
    status, _ = past.get(f"/v1/devices?cursor={cursor}", as_of=at)
    assert status in {400, 422}
