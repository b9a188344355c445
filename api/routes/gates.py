"""Posture tokens for people and services, and what an enforcement point that holds sessions open must follow."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.auth import Catalogue, Gatekeeper
from api.gate_shapes import GateAnswerOut, GateMovesOut, PostureOut
from api.paging import Paging
from api.strict import StrictRoute
from policyengine.model.ids import device_id
from policyengine.services.gates.gate import Question

router = APIRouter(prefix="/v1", tags=["gate"], route_class=StrictRoute)

Purpose = Annotated[str, Query(alias="for", max_length=64, description="what for: a purpose of fleet.yaml `gate`")]
Audience = Annotated[str | None, Query(max_length=256, description="who relies on it; left out: the server's audience")]
Place = Annotated[int | None, Query(ge=0, description="`next` of the answer before")]


@router.get("/devices/{name}/gate")
async def device_gate(
    asker: Gatekeeper,
    services: Catalogue,
    name: Annotated[str, Path(max_length=128)],
    purpose: Purpose,
    aud: Audience = None,
) -> PostureOut:
    """Return a posture token: that the device may pass for a purpose, for five minutes at most; 403 says why not."""
    question = Question(purpose=purpose, device_id=device_id(name))
    return PostureOut.model_validate(await services.postures.issue(asker, question, audience=aud))


@router.get("/gate/devices")
async def gate_devices(asker: Gatekeeper, services: Catalogue, page: Paging, purpose: Purpose) -> list[GateAnswerOut]:
    """Return for every device, by id, whether it may pass."""
    return page.answer(await services.gate_feed.all(asker, purpose, page.wanted), GateAnswerOut.model_validate)


@router.get("/gate/moves")
async def gate_moves(asker: Gatekeeper, services: Catalogue, purpose: Purpose, after: Place = None) -> GateMovesOut:
    """Return the devices whose gate may have moved since `after`; `everything` asks for a walk through all."""
    return GateMovesOut.model_validate(await services.gate_feed.moves(asker, purpose, after=after))
