"""Releases of a model: those endorsed, what was measured and is not, and a vendor's proposal of a new one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.auth import Catalogue, Proposer, Reader
from api.paging import AsOf, WholePaging
from api.releases_shapes import (
    CandidateOut,
    ReleaseIn,
    ReleaseOut,
    UnmatchedOut,
    candidate_out,
    release_out,
    unmatched_out,
)
from api.strict import StrictRoute
from policyengine.model.base64url import from_base64url
from policyengine.services.errors import InvalidRequestError

router = APIRouter(prefix="/v1/models/{model}", tags=["releases"], route_class=StrictRoute)

Model = Annotated[str, Path(max_length=64)]


@router.get("/releases")
def list_releases(
    viewer: Reader, services: Catalogue, model: Model, as_of: AsOf, page: WholePaging
) -> list[ReleaseOut]:
    """Return the releases that the bundle in force endorses for a model, and who signed them."""
    found = services.releases.endorsed(viewer, model, as_of=as_of)
    return page.part(found, lambda release: release.version, release_out)


@router.get("/unmatched")
def list_unmatched(viewer: Reader, services: Catalogue, model: Model, page: WholePaging) -> list[UnmatchedOut]:
    """Return what devices of a model measured and no release knows, the latest seen first."""
    found = services.releases.unmatched(viewer, model)
    return page.part(found, lambda each: f"{each.measured.component} {each.measured.digest}", unmatched_out)


@router.post("/releases")
def propose_release(actor: Proposer, services: Catalogue, model: Model, body: ReleaseIn) -> CandidateOut:
    """Verify a vendor's signed CoRIM and return the files to merge in Git; nothing is stored and nothing endorsed."""
    found = services.releases.candidate(actor, model, version=body.version, content=_decoded(body.corim))
    return candidate_out(found)


def _decoded(text: str) -> bytes:
    found = from_base64url(text)
    if found is None:
        raise InvalidRequestError("corim is not base64url without padding", code="request.encoding", path="corim")
    return found
