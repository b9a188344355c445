"""A site with gateways, devices that speak through them, and sensors of a model that has no key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import compile_tree
from policyengine.model.ids import DeviceId, device_id
from policyengine.services.actors import SYSTEM
from policyengine.services.gateways.reports import Recorded, Refused, Said
from policyengine.services.registry.devices import NewDevice
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, announced, open_site, plain, policies

LAST_MODEL = b"plc-9: {vendor: vendor-borealis, class: controller, versionScheme: semver}"
KEYLESS = LAST_MODEL + b"\n    th-1: {vendor: vendor-borealis, class: sensor, versionScheme: semver, key: none}"

PROVEN = b"""apiVersion: policyengine/v1
kind: Policy
metadata: {name: proven, version: 1.0.0, owner: it, title: Devices with a key prove it}
spec:
  severity: high
  exclude: {model: {in: [th-1]}}
  rules:
    - {id: verified, require: identity.verified, evidence: {min: certified}}
  ceiling: quarantine
---
apiVersion: policyengine/v1
kind: Binding
metadata: {name: proven, owner: it}
spec: {policy: it/proven, mode: enforce, action: quarantine}
"""
SENSORS = b"""apiVersion: policyengine/v1
kind: Policy
metadata: {name: sensors, version: 1.0.0, owner: engineering, title: What is asked of sensors without a key}
spec:
  severity: high
  select: {model: {in: [th-1]}}
  rules:
    - {id: behind-gateway, require: 'identity.kind == "gateway"'}
    - {id: password, require: '!config.default_credentials', evidence: {fresh: 24h}}
  ceiling: quarantine
---
apiVersion: policyengine/v1
kind: Policy
metadata: {name: more-than-said, version: 1.0.0, owner: engineering, title: What a gateway's word is too weak for}
spec:
  severity: low
  select: {model: {in: [th-1]}}
  rules:
    - {id: auto-update, require: config.auto_update, evidence: {min: observed}}
  ceiling: notify
"""
BINDING = b"""apiVersion: policyengine/v1
kind: Binding
metadata: {name: sensors, owner: operations}
spec: {policy: engineering/sensors, mode: enforce, action: quarantine}
"""
PASSWORD, AUTO_UPDATE = "engineering/sensors#password", "engineering/more-than-said#auto-update"
WELL: Mapping[str, object] = {"config": {"default_credentials": False, "auto_update": True}}

_OWN = ("it/", "engineering/", "operations/", "vendors/")


@dataclass
class GatewaySite:
    """A site, and how many sensors were announced on it."""

    site: Site
    sensors: int = 0
    used: set[str] = field(default_factory=set)

    @cached_property
    def gateway(self) -> Gateway:
        """A gateway that stays as it is."""
        return self.own_gateway()

    def own_gateway(self) -> Gateway:
        """Return a gateway that no other test has, enrolled, with its certificate."""
        device = self.unused("gw-200")
        reply = asyncio.run(self.site.enrol(device))
        return Gateway(self, device_id(device.planned.device_id), plain(json.loads(reply.body)["certificate"]))

    def unused(self, model: str) -> SimulatedDevice:
        """Return a healthy device that no test has used."""
        found = next(
            each
            for each in self.site.of("healthy")
            if each.planned.model == model and each.planned.device_id not in self.used
        )
        self.used.add(found.planned.device_id)
        return found

    def sensor(self, *gateways: Gateway) -> DeviceId:
        """Return a sensor without a key behind `gateways`."""
        self.sensors += 1
        name = device_id(f"th1-{self.sensors:04}")
        self.site.services.devices.announce(
            SYSTEM,
            [
                NewDevice(
                    id=name,
                    vendor="vendor-borealis",
                    model="th-1",
                    serial=f"TH-{self.sensors:08}",
                    labels={},
                    gateways=tuple(each.name for each in gateways),
                )
            ],
        )
        return name

    def entrust(self, device: SimulatedDevice, gateway: Gateway) -> DeviceId:
        """Let `gateway` speak for a device with a key; return its id."""
        name = device_id(device.planned.device_id)
        self.site.services.entrusting.entrust(SYSTEM, name, [gateway.name], reason="behind it")
        return name

    def results(self, device: DeviceId) -> Mapping[str, str]:
        """Return what the rules say of a device now."""
        return {each.rule: each.result for each in self.site.services.devices.show(SYSTEM, device).verdicts}

    def seen(self, device: DeviceId, rule: str) -> Mapping[str, object]:
        """Return the first fact that `rule` read of a device, with its provenance."""
        state = self.site.store.view(device).state  # type: ignore[union-attr]
        decision = json.loads(self.site.store.decision(state.decision_id).document)  # type: ignore[union-attr]
        found = next(each for each in decision["findings"] if each["rule"] == rule)
        seen: Mapping[str, object] = next(iter(found["facts"].values()))
        return seen


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that reports."""

    place: GatewaySite
    name: DeviceId
    certificate: bytes

    def reports(
        self, device: DeviceId, said: Mapping[str, object] = WELL, *, observed_at: datetime | None = None
    ) -> Recorded | Refused:
        """Return what became of this gateway's word on `device`."""
        report = Said(device_id=device, reported=said, observed_at=observed_at)
        return asyncio.run(self.place.site.services.gateway_reports.report(self.certificate, [report]))[0]


def gateway_site(url: str) -> GatewaySite:
    """Return the site on the database at `url`."""
    site = open_site(url, count=120)
    _put_in_force(site)
    site.services.devices.announce(SYSTEM, [announced(device.planned) for device in site.devices.values()])
    return GatewaySite(site)


def _put_in_force(site: Site) -> None:
    files, _ = policies()
    kept = {path: text for path, text in files.items() if not path.startswith(_OWN)}
    kept["fleet.yaml"] = kept["fleet.yaml"].replace(LAST_MODEL, KEYLESS)
    kept |= {"it/proven.yaml": PROVEN, "engineering/sensors.yaml": SENSORS, "operations/sensors.yaml": BINDING}
    now = site.clock.now()
    compiled = compile_tree(kept, now=now)
    assert compiled.bundle is not None, compiled.diagnostics
    assert compiled.digest is not None
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit=None, created_at=now)
    digest = site.services.bundles.publish_file(SYSTEM, encode_file(file))
    site.services.bundles.activate(SYSTEM, digest, expected_generation=None)
    site.clock.forward(timedelta(seconds=2))  # workers look once a second
