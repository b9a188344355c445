"""Waivers of the policies in force: they are made in Git, and read here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from api.auth import Catalogue, Reader
from api.paging import AsOf, Paging
from api.strict import StrictRoute
from api.waiver_shapes import WaiverDetailOut, WaiverOut, waiver_detail, waiver_out
from policyengine.model.ids import device_id
from policyengine.services.publication.waivers import WaiverFilter, WaiverState

router = APIRouter(prefix="/v1/waivers", tags=["waivers"], route_class=StrictRoute)

Word = Annotated[str | None, Query(max_length=128)]


def _where(
    device: Word = None,
    rule: Annotated[str | None, Query(max_length=256, examples=["engineering/gateway-integrity#secure-boot"])] = None,
    state: WaiverState | None = None,
    owner: Word = None,
) -> WaiverFilter:
    wanted = None if device is None else device_id(device)
    return WaiverFilter(device=wanted, rule=rule, state=state, owner=owner)


@router.get("")
def list_waivers(
    viewer: Reader, services: Catalogue, as_of: AsOf, page: Paging, where: Annotated[WaiverFilter, Depends(_where)]
) -> list[WaiverOut]:
    """Return the waivers of the policies in force by name; `device` is one that they would cover."""
    return page.answer(services.waivers.list(viewer, where, page.wanted, as_of=as_of), waiver_out)


@router.get("/{name}")
def show_waiver(
    viewer: Reader, services: Catalogue, name: Annotated[str, Path(max_length=128)], as_of: AsOf
) -> WaiverDetailOut:
    """Return one waiver and the devices it covers."""
    return waiver_detail(*services.waivers.show(viewer, name, as_of=as_of))
