"""API tokens of people and programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.auth import Admin, Catalogue, Inspector
from api.idempotency import Once
from api.paging import WholePaging
from api.requests import TokenIn
from api.shapes import NewTokenOut, TokenOut
from api.strict import StrictRoute
from policyengine.model.ids import PartyName

router = APIRouter(prefix="/v1/tokens", tags=["tokens"], route_class=StrictRoute)


@router.get("")
def list_tokens(viewer: Inspector, services: Catalogue, page: WholePaging) -> list[TokenOut]:
    """Return all tokens without their secrets, newest first."""
    return page.part(services.tokens.list(viewer), lambda token: token.id, TokenOut.model_validate)


@router.post("", status_code=201, response_model=NewTokenOut)
def create_token(actor: Admin, services: Catalogue, body: TokenIn, once: Once) -> Response:
    """Make a token; its secret is shown this once."""

    def create() -> Response:
        made = services.tokens.create(
            actor,
            name=body.name,
            role=body.role,
            lifetime=timedelta(seconds=body.lifetime_seconds),
            party=None if body.party is None else PartyName(body.party),
            models=None if body.models is None else frozenset(body.models),
        )
        shown = NewTokenOut(secret=made.secret, token=TokenOut.model_validate(made.record))
        return Response(shown.model_dump_json(), status_code=201, media_type="application/json")

    return once.answer(create)


@router.delete("/{token}", status_code=204)
def revoke_token(actor: Admin, services: Catalogue, token: Annotated[str, Path(max_length=128)]) -> None:
    """End a token now."""
    services.tokens.revoke(actor, token)
