"""MUD files of models and releases: filing them, what is on file, and a file as it was sent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.auth import Catalogue, Proposer, Reader
from api.mud_shapes import MudOut, SignedMud, mud_out, signed_mud
from api.strict import StrictRoute

router = APIRouter(prefix="/v1/models/{model}", tags=["releases"], route_class=StrictRoute)

Model = Annotated[str, Path(max_length=64)]
Release = Annotated[str, Path(max_length=64)]


@router.get("/muds")
def list_muds(viewer: Reader, services: Catalogue, model: Model) -> list[MudOut]:
    """Return the MUD files on file of a model and its releases, and until when each counts."""
    return [mud_out(each) for each in services.muds.list(viewer, model)]


@router.get("/mud")
def show_model_mud(viewer: Reader, services: Catalogue, model: Model) -> SignedMud:
    """Return a model's MUD file and its signature as they were sent."""
    return signed_mud(services.muds.original(viewer, model, None)[1])


@router.post("/mud", status_code=201)
def file_model_mud(actor: Proposer, services: Catalogue, model: Model, body: SignedMud) -> MudOut:
    """File the MUD file (RFC 8520) of a model: it counts for all releases without one of their own."""
    return mud_out(services.muds.file(actor, model, None, body.sent()))


@router.get("/releases/{release}/mud")
def show_mud(viewer: Reader, services: Catalogue, model: Model, release: Release) -> SignedMud:
    """Return a release's MUD file and its signature as they were sent."""
    return signed_mud(services.muds.original(viewer, model, release)[1])


@router.post("/releases/{release}/mud", status_code=201)
def file_mud(actor: Proposer, services: Catalogue, model: Model, release: Release, body: SignedMud) -> MudOut:
    """File the MUD file (RFC 8520) of a release, signed by whom the policies' trust anchors for `mud` vouch for."""
    return mud_out(services.muds.file(actor, model, release, body.sent()))
