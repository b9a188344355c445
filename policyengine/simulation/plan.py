"""A believable fleet, planned: which devices there are, what they run, and which of them misbehave and how.

The plan is a pure function of the compiled fleet; nothing in it is random, so that two runs of the demo show the same
devices. What a healthy device runs is what its vendor published as reference values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from policyengine.errors import PolicyEngineError
from policyengine.model.endorsements import ReferenceValues, Release
from policyengine.model.ids import DeviceId
from policyengine.model.policy import Fleet, Model

MIN_DEVICES = 30  # fewer than that and the scenarios would be most of the fleet


class Scenario(Enum):
    """How a simulated device behaves."""

    HEALTHY = "healthy"
    TAMPERED = "tampered"  # one component's digest is in no reference value
    DEBUG = "debug"  # the silicon is in recoverable debug
    REPLAY = "replay"  # evidence over a nonce that another device has spent
    WRONG_KEY = "wrong-key"  # token signed by a key that is not the device's
    FOREIGN_CSR = "foreign-csr"  # certificate asked for a key that the evidence does not vouch for
    SHARED_KEY = "shared-key"  # two devices left the factory with one key
    SILENT = "silent"  # enrols, then is never heard of again


MISBEHAVIOUR: tuple[Scenario, ...] = (
    Scenario.TAMPERED,
    Scenario.DEBUG,
    Scenario.REPLAY,
    Scenario.WRONG_KEY,
    Scenario.FOREIGN_CSR,
    Scenario.SHARED_KEY,
    Scenario.SHARED_KEY,
    Scenario.SILENT,
)


class CannotPlanError(PolicyEngineError):
    """The fleet cannot be simulated: no model has a release, or too few devices were asked for."""

    code = "simulation.cannot-plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDevice:
    """One device of the plan: its registry entry, the release it runs, and its scenario."""

    device_id: DeviceId
    vendor: str
    model: str
    device_class: str
    serial: str
    site: str
    zone: str
    labels: Mapping[str, str]
    criticality: str
    scenario: Scenario
    release: Release


def plan_fleet(
    fleet: Fleet,
    reference_values: Sequence[ReferenceValues],
    *,
    models: Sequence[str],
    serial_prefixes: Mapping[str, str],
    count: int,
) -> tuple[PlannedDevice, ...]:
    """Return `count` devices spread over `models` that have releases; the first of them has the misbehaving ones.

    `serial_prefixes` gives the serial prefix of each vendor, such as `AC-`. Raises CannotPlanError.
    """
    releases = {name: _releases(name, reference_values) for name in models}
    known = [fleet.models[name] for name in models if name in fleet.models and releases[name]]
    if not known or count < MIN_DEVICES:
        raise CannotPlanError(f"cannot plan {count} devices: need at least {MIN_DEVICES} and a model with a release")
    scenarios = _scenarios(count, len(known))
    return tuple(
        _planned(
            fleet,
            known[index % len(known)],
            releases[known[index % len(known)].name],
            index=index,
            prefix=serial_prefixes.get(known[index % len(known)].vendor, ""),
            scenario=scenarios[index],
        )
        for index in range(count)
    )


def _releases(model: str, reference_values: Sequence[ReferenceValues]) -> list[Release]:
    return [release for values in reference_values if model in values.models for release in values.releases]


def _scenarios(count: int, models: int) -> list[Scenario]:
    """Return a scenario per index; the misbehaving ones stand evenly apart and, for the shared key, on one model."""
    scenarios = [Scenario.HEALTHY] * count
    step = max(models, (count // (len(MISBEHAVIOUR) + 1)) // models * models)
    for position, scenario in enumerate(MISBEHAVIOUR, start=1):
        scenarios[position * step] = scenario
    return scenarios


def _planned(
    fleet: Fleet, model: Model, releases: Sequence[Release], *, index: int, prefix: str, scenario: Scenario
) -> PlannedDevice:
    number = index + 1
    return PlannedDevice(
        device_id=DeviceId(f"{model.name.replace('-', '')}-{number:04d}"),
        vendor=model.vendor,
        model=model.name,
        device_class=model.device_class,
        serial=f"{prefix}{number:08d}",
        site=fleet.sites[index % len(fleet.sites)],
        zone=fleet.zones[index % len(fleet.zones)],
        labels={"ring": "canary" if number % 10 == 0 else "rest"},
        criticality=("low", "medium", "high")[index % 3],
        scenario=scenario,
        release=_release(releases, number=number, scenario=scenario),
    )


def _release(releases: Sequence[Release], *, number: int, scenario: Scenario) -> Release:
    """Return the release a device runs: one healthy device in four is still on the older one."""
    ordered = sorted(releases, key=lambda release: release.svn or 0)
    behind = scenario is Scenario.HEALTHY and number % 4 == 0
    return ordered[0] if behind else ordered[-1]
