"""Reports on devices by scanners, sensors and people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import Catalogue, Operator, Reader
from api.paging import Paging
from api.report_shapes import ReportedOut, ReportIn, ReportOut, reported_out
from api.strict import StrictRoute
from policyengine.model.ids import device_id
from policyengine.model.times import parse_timestamp
from policyengine.services.records import Page

Device = Annotated[str | None, Query(max_length=128, description="only reports on this device")]

router = APIRouter(prefix="/v1/reports", tags=["devices"], route_class=StrictRoute)


@router.post("", status_code=201)
def file_report(actor: Operator, services: Catalogue, body: ReportIn) -> ReportOut:
    """File what was seen of devices: their `net` and `config` facts, observed then. They are decided again."""
    found = services.reports.file(actor, parse_timestamp(body.observed_at), body.seen())
    return ReportOut(report=found, devices=len(body.devices))


@router.get("")
def list_reports(viewer: Reader, services: Catalogue, page: Paging, device: Device = None) -> list[ReportedOut]:
    """Return what was last reported of each group of facts, by device: when that was seen, and who said so."""
    if device is None:
        return page.answer(services.reports.list(viewer, page.wanted), reported_out)
    return page.answer(Page(items=services.reports.of(viewer, device_id(device)), next=None), reported_out)
