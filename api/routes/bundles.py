"""Policy bundles: publishing what `policyengine build` made, and putting it in force."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from api.auth import Activator, Catalogue, Publisher, Reader
from api.idempotency import Once
from api.paging import IMMUTABLE_SECONDS, AsOf, Paging, conditional
from api.requests import ActivationIn
from api.shapes import ActivationOut, BundleOut
from api.strict import StrictRoute, demand_media_type
from policyengine.model.ids import digest
from policyengine.services.errors import MissingError

router = APIRouter(prefix="/v1/bundles", tags=["bundles"], route_class=StrictRoute)

Id = Annotated[str, Path(max_length=80)]

BUNDLE = "application/vnd.policyengine.bundle+json"

_BODY = {"requestBody": {"required": True, "content": {BUNDLE: {"schema": {"type": "object"}}}}}


@router.get("")
def list_bundles(_viewer: Reader, services: Catalogue, as_of: AsOf, page: Paging) -> list[BundleOut]:
    """Return published bundles, newest first."""
    return page.answer(services.bundles.list(page.wanted, as_of=as_of), BundleOut.model_validate)


@router.post("", status_code=201, openapi_extra=_BODY)
async def publish_bundle(actor: Publisher, services: Catalogue, request: Request) -> Response:
    """Publish a bundle file. Publishing the same again changes nothing, so a retry is safe."""
    demand_media_type(request, BUNDLE, "application/json")
    found = await run_in_threadpool(services.bundles.publish_file, actor, await request.body())
    return JSONResponse({"digest": found}, status_code=201, headers={"Location": f"/v1/bundles/{found}"})


@router.get("/active")
def show_active(_viewer: Reader, services: Catalogue, as_of: AsOf) -> ActivationOut:
    """Return which bundle is in force."""
    active = services.bundles.active(as_of=as_of)
    if active is None:
        raise MissingError("no bundle is in force")
    return ActivationOut.model_validate(active)


@router.get("/{name}")
def show_bundle(_viewer: Reader, services: Catalogue, name: Id, request: Request) -> Response:
    """Return a bundle's canonical bytes; its digest is its entity tag."""
    record, content = services.bundles.show(digest(name))
    return conditional(request, content, media_type=BUNDLE, tag=f'"{record.digest}"', max_age=IMMUTABLE_SECONDS)


@router.post("/{name}/activate", response_model=ActivationOut)
def activate_bundle(actor: Activator, services: Catalogue, name: Id, body: ActivationIn, once: Once) -> Response:
    """Put a published bundle in force; 409 when someone activated in between."""

    def activate() -> Response:
        found = services.bundles.activate(actor, digest(name), expected_generation=body.expected_generation)
        content = ActivationOut.model_validate(found).model_dump_json(by_alias=True)
        return Response(content, media_type="application/json")

    return once.answer(activate)
