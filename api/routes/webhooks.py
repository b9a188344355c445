"""Webhooks: how far they are, and what is to be sent again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse

from api.auth import Auditor, Catalogue, Operator
from api.idempotency import Once
from api.paging import WholePaging
from api.strict import StrictRoute
from api.webhook_shapes import DeadLetterOut, WebhookOut

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=StrictRoute)

Name = Annotated[str, Path(max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$")]
Index = Annotated[int, Path(ge=0, le=2**63 - 1)]


@router.get("")
def list_webhooks(viewer: Auditor, services: Catalogue, page: WholePaging) -> list[WebhookOut]:
    """Return how far each webhook is."""
    return page.part(services.webhooks.list(viewer), lambda each: each.name, WebhookOut.model_validate)


@router.get("/{name}/dead-letters")
def list_dead_letters(viewer: Auditor, services: Catalogue, name: Name, page: WholePaging) -> list[DeadLetterOut]:
    """Return what a webhook was not told, in the log's order."""
    found = services.webhooks.dead_letters(viewer, name)
    return page.part(found, lambda each: str(each.index), DeadLetterOut.model_validate)


@router.post("/{name}/dead-letters/{index}/retry", status_code=202, response_model=None)
def retry_dead_letter(actor: Operator, services: Catalogue, name: Name, index: Index, once: Once) -> Response:
    """Have a dead letter sent again, within a second or so."""

    def retry() -> Response:
        services.webhooks.retry(actor, name, index)
        return JSONResponse(None, status_code=202)

    return once.answer(retry)
