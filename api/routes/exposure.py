"""Which devices run a component, and since when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth import Catalogue, Reader
from api.exposure_shapes import ExposedOut, exposed_out
from api.paging import DecidedAsOf, Paging, Scope
from api.strict import StrictRoute
from policyengine.services.exposure.components import ComponentQuery

router = APIRouter(prefix="/v1", tags=["exposure"], route_class=StrictRoute)

MAX_TEXT = 512  # a package URL with qualifiers


def _query(
    component: Annotated[str | None, Query(max_length=MAX_TEXT, description="a component's name")] = None,
    purl: Annotated[str | None, Query(max_length=MAX_TEXT, description="a package URL, whole")] = None,
    digest: Annotated[str | None, Query(max_length=MAX_TEXT, description="a measured digest in hex")] = None,
    cve: Annotated[str | None, Query(max_length=MAX_TEXT, examples=["CVE-2026-1234"])] = None,
    version: Annotated[
        str | None,
        Query(max_length=MAX_TEXT, description="a version range", examples=["vers:semver/>=1.0.0|<2.0.0"]),
    ] = None,
) -> ComponentQuery:
    return ComponentQuery(name=component, purl=purl, digest=digest, cve=cve, versions=version)


@router.get("/exposure")
def list_exposed(
    viewer: Reader,
    services: Catalogue,
    scope: Scope,
    as_of: DecidedAsOf,
    page: Paging,
    query: Annotated[ComponentQuery, Depends(_query)],
) -> list[ExposedOut]:
    """Return the devices that run it by id, where their facts say so, and since when; all that is given must hold."""
    return page.answer(services.exposure.find(viewer, query, scope, page.wanted, as_of=as_of), exposed_out)
