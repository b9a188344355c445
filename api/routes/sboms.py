"""SBOMs and VEX of releases: filing them, what is on file, and an SBOM as it was sent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.auth import Catalogue, Proposer, Reader
from api.paging import conditional
from api.sbom_shapes import SbomOut, VexOut, sbom_out, vex_out
from api.strict import StrictRoute, demand_media_type

router = APIRouter(prefix="/v1/models/{model}", tags=["releases"], route_class=StrictRoute)

Model = Annotated[str, Path(max_length=64)]
Release = Annotated[str, Path(max_length=64)]

MEDIA_TYPES = ("application/vnd.cyclonedx+json", "application/spdx+json", "application/json")

_BODY = {
    "requestBody": {
        "required": True,
        "content": {each: {"schema": {"type": "object"}} for each in MEDIA_TYPES},
    }
}


@router.get("/sboms")
def list_sboms(viewer: Reader, services: Catalogue, model: Model) -> list[SbomOut]:
    """Return the SBOMs on file of a model, by release: who filed each, and how much it lists."""
    return [sbom_out(each) for each in services.sboms.list(viewer, model)]


@router.get("/releases/{release}/sbom")
def show_sbom(viewer: Reader, services: Catalogue, model: Model, release: Release, request: Request) -> Response:
    """Return the SBOM of a release as it was sent."""
    filed, content = services.sboms.original(viewer, model, release)
    return conditional(request, content, media_type="application/json", tag=f'"{filed.original}"')


@router.post("/releases/{release}/sbom", status_code=201, openapi_extra=_BODY)
async def file_sbom(actor: Proposer, services: Catalogue, model: Model, release: Release, request: Request) -> SbomOut:
    """File the SBOM of a release: CycloneDX 1.4 to 1.6 or SPDX 2, JSON. It takes the place of the one before."""
    demand_media_type(request, *MEDIA_TYPES)
    found = await run_in_threadpool(services.sboms.file, actor, model, release, await request.body())
    return sbom_out(found)


@router.get("/releases/{release}/vex")
def list_vex(viewer: Reader, services: Catalogue, model: Model, release: Release) -> list[VexOut]:
    """Return the VEX documents on file of a release, and what each says."""
    return [vex_out(each) for each in services.statements.list(viewer, model, release)]


@router.post("/releases/{release}/vex", status_code=201, openapi_extra=_BODY)
async def file_vex(actor: Proposer, services: Catalogue, model: Model, release: Release, request: Request) -> VexOut:
    """File VEX statements of a release with an SBOM on file: OpenVEX or CycloneDX, JSON."""
    demand_media_type(request, *MEDIA_TYPES)
    found = await run_in_threadpool(services.statements.file, actor, model, release, await request.body())
    return vex_out(found)
