"""The public shapes of compliance: how devices stand towards controls; keys are stable (docs/api.md)."""

from __future__ import annotations

from pydantic import Field

from api.shapes import Counts, Moment, Shape
from policyengine.services.compliance.report import ComplianceReport, ControlStanding
from policyengine.services.fleet_scope import FleetScope


class ControlOut(Shape):
    """A control, the rules that speak to it, and how many devices each result has."""

    id: str
    title: str | None
    source: str | None
    edition: str | None
    rules: list[str]
    results: Counts


class SharesOut(Shape):
    """How much of all devices' time each result took, 0 to 1."""

    passing: float = Field(serialization_alias="pass")
    failing: float = Field(serialization_alias="fail")
    unknown: float
    waived: float


class ControlStandingOut(Shape):
    """One control: devices by result, each once; what could not be decided is neither pass nor fail."""

    id: str
    title: str | None
    catalog: str | None
    edition: str | None
    rules: list[str]
    passing: int = Field(serialization_alias="pass")
    failing: int = Field(serialization_alias="fail")
    unknown: int
    waived: int
    uncovered: int
    coverage: float | None
    weakest_source: str | None
    sources: Counts
    during: SharesOut | None


class PeriodOut(Shape):
    """A half-open stretch of time."""

    start: Moment = Field(serialization_alias="from")
    end: Moment = Field(serialization_alias="to")


class ComplianceOut(Shape):
    """How the devices of a scope stood towards the controls of a framework."""

    as_of: Moment
    bundle: str | None
    framework: str | None
    scope: dict[str, list[str]]
    period: PeriodOut | None
    devices: int
    controls: list[ControlStandingOut]


class DeviceStanceOut(Shape):
    """How one device stands towards a control; `since` is the last change of anything the rules say of it."""

    device_id: str
    model: str
    site: str | None
    zone: str | None
    result: str
    source: str | None
    since: Moment


def control_row(standing: ControlStanding) -> ControlOut:
    """Return a control's row in a list; results that no device has are left out."""
    return ControlOut(
        id=standing.id,
        title=standing.title,
        source=standing.catalog,
        edition=standing.edition,
        rules=list(standing.rules),
        results={result: count for result, count in standing.results.items() if count},
    )


def compliance_out(report: ComplianceReport) -> ComplianceOut:
    """Return the public shape of a report."""
    return ComplianceOut(
        as_of=report.at,
        bundle=report.bundle,
        framework=report.framework,
        scope=_scope(report.scope),
        period=None if report.period is None else PeriodOut.model_validate(report.period),
        devices=report.devices,
        controls=[_standing(standing) for standing in report.controls],
    )


def _standing(standing: ControlStanding) -> ControlStandingOut:
    return ControlStandingOut(
        id=standing.id,
        title=standing.title,
        catalog=standing.catalog,
        edition=standing.edition,
        rules=list(standing.rules),
        passing=standing.results["pass"],
        failing=standing.results["fail"],
        unknown=standing.results["unknown"],
        waived=standing.results["waived"],
        uncovered=standing.uncovered,
        coverage=standing.coverage,
        weakest_source=standing.weakest_source,
        sources=dict(standing.sources),
        during=None if standing.shares is None else SharesOut.model_validate(standing.shares),
    )


def _scope(scope: FleetScope) -> dict[str, list[str]]:
    named = {"model": scope.models, "site": scope.sites, "zone": scope.zones}
    return {key: sorted(names) for key, names in named.items() if names is not None}
