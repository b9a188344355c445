"""Reports on devices by scanners, sensors and people."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Catalogue, Operator
from api.report_shapes import ReportIn, ReportOut
from api.strict import StrictRoute
from policyengine.model.ids import device_id
from policyengine.model.times import parse_timestamp
from policyengine.services.supply.reports import Seen

router = APIRouter(prefix="/v1/reports", tags=["devices"], route_class=StrictRoute)


@router.post("", status_code=201)
def file_report(actor: Operator, services: Catalogue, body: ReportIn) -> ReportOut:
    """File what was seen of devices: their `net` and `config` facts, observed then. They are decided again."""
    seen = [
        Seen(device_id=device_id(each.device_id), groups=each.groups(), complete=each.complete) for each in body.devices
    ]
    found = services.reports.file(actor, parse_timestamp(body.observed_at), seen)
    return ReportOut(report=found, devices=len(seen))
