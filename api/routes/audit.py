"""What auditors read: what was not believed, and who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import Auditor, Catalogue
from api.paging import AsOf, Paging
from api.shapes import AuditEventOut, SecurityEventOut
from api.strict import StrictRoute
from policyengine.model.ids import device_id

router = APIRouter(prefix="/v1", tags=["audit"], route_class=StrictRoute)


@router.get("/security-events")
def list_security_events(
    viewer: Auditor, services: Catalogue, page: Paging, device: Annotated[str | None, Query(max_length=128)] = None
) -> list[SecurityEventOut]:
    """Return what was not believed, newest first."""
    wanted = None if device is None else device_id(device)
    found = services.audit.security_events(viewer, page.wanted, device_id=wanted)
    return page.answer(found, SecurityEventOut.model_validate)


@router.get("/audit-events")
def list_audit_events(viewer: Auditor, services: Catalogue, as_of: AsOf, page: Paging) -> list[AuditEventOut]:
    """Return administrative acts, newest first."""
    return page.answer(services.audit.events(viewer, page.wanted, as_of=as_of), AuditEventOut.model_validate)
