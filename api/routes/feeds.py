"""Feeds of vulnerabilities: importing a signed pack, and which are in use."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from api.auth import Catalogue, Publisher, Reader
from api.sbom_shapes import FeedOut
from api.strict import StrictRoute, demand_media_type

router = APIRouter(prefix="/v1/feeds", tags=["releases"], route_class=StrictRoute)

PACK = "application/octet-stream"

_BODY = {"requestBody": {"required": True, "content": {PACK: {"schema": {"type": "string", "format": "binary"}}}}}


@router.get("")
def list_feeds(viewer: Reader, services: Catalogue) -> list[FeedOut]:
    """Return the feeds in use: whose they are, how old, and until when what they say counts."""
    return [FeedOut.model_validate(each) for each in services.feeds.list(viewer)]


@router.post("", status_code=201, openapi_extra=_BODY)
async def import_feeds(actor: Publisher, services: Catalogue, request: Request) -> list[FeedOut]:
    """Import a pack that a publisher signed whom the operator named; 409 when it is older than what is in use."""
    demand_media_type(request, PACK)
    found = await run_in_threadpool(services.feeds.import_pack, actor, await request.body())
    return [FeedOut.model_validate(each) for each in found]
