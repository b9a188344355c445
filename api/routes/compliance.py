"""How the fleet stands towards controls: now, as it was then, and over a period."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from api.auth import Catalogue, Reader
from api.compliance_shapes import ComplianceOut, ControlOut, DeviceStanceOut, compliance_out, control_row
from api.paging import AsOf, Paging, Scope, WholePaging
from api.strict import StrictRoute
from policyengine.model.times import parse_timestamp
from policyengine.services.compliance.report import Period
from policyengine.services.errors import InvalidRequestError

router = APIRouter(prefix="/v1", tags=["compliance"], route_class=StrictRoute)

MAX_MOMENT = 40  # characters of an RFC 3339 time with nanoseconds and zone
Framework = Annotated[
    str | None, Query(max_length=64, description="what stands before the colon of a control's id", examples=["etsi"])
]
Control = Annotated[str, Path(max_length=128, description="a control's id, such as `etsi:5.7-1`")]


def _period(
    start: Annotated[str | None, Query(alias="from", max_length=MAX_MOMENT, description="RFC 3339 with zone")] = None,
    end: Annotated[str | None, Query(alias="to", max_length=MAX_MOMENT, description="not part of the period")] = None,
) -> Period | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InvalidRequestError("a period has both `from` and `to`", code="request.period", path="from")
    period = Period(start=parse_timestamp(start), end=parse_timestamp(end))
    if period.start >= period.end:
        raise InvalidRequestError("`from` is not before `to`", code="request.period", path="from")
    return period


During = Annotated[Period | None, Depends(_period)]


@router.get("/controls")
def list_controls(
    viewer: Reader, services: Catalogue, scope: Scope, as_of: AsOf, page: WholePaging, framework: Framework = None
) -> list[ControlOut]:
    """Return the controls, the rules that speak to each, and how many devices each result has."""
    report = services.compliance.report(viewer, scope, framework=framework, as_of=as_of)
    return page.part(report.controls, lambda standing: standing.id, control_row)


@router.get("/compliance")
def show_compliance(
    viewer: Reader, services: Catalogue, scope: Scope, as_of: AsOf, period: During, framework: Framework = None
) -> ComplianceOut:
    """Return pass, fail, unknown, waived and coverage of each control, and the weakest source its rules used."""
    report = services.compliance.report(viewer, scope, framework=framework, as_of=as_of, period=period)
    return compliance_out(report)


@router.get("/compliance/{control}/devices")
def list_control_devices(
    viewer: Reader,
    services: Catalogue,
    control: Control,
    scope: Scope,
    as_of: AsOf,
    page: Paging,
    result: Annotated[str | None, Query(max_length=16, description="pass, fail, unknown or waived")] = None,
) -> list[DeviceStanceOut]:
    """Return the devices behind a number of the report, by id."""
    found = services.compliance.devices(viewer, scope, control=control, result=result, as_of=as_of, page=page.wanted)
    return page.answer(found, DeviceStanceOut.model_validate)
