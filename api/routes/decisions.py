"""Decisions and why they are so."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.auth import Catalogue, Reader
from api.paging import IMMUTABLE_SECONDS, conditional
from api.selection import entity_tag
from api.strict import StrictRoute
from policyengine.model.ids import digest

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=StrictRoute)

Id = Annotated[str, Path(max_length=80)]


@router.get("/{decision}")
def show_decision(viewer: Reader, services: Catalogue, decision: Id, request: Request) -> Response:
    """Return a decision's canonical JSON, byte for byte as it was made."""
    content = services.audit.decision(viewer, digest(decision))
    return conditional(
        request, content, media_type="application/json", tag=entity_tag(content), max_age=IMMUTABLE_SECONDS
    )


@router.get("/{decision}/explanation")
def explain_decision(viewer: Reader, services: Catalogue, decision: Id) -> dict[str, object]:
    """Return rule, file, line, commit, facts with provenance, evidence digest, and what would have to change."""
    explanation = services.audit.explain(viewer, digest(decision))
    return {**explanation.document, "text": explanation.text}


@router.get("/{decision}/proof")
def prove_decision(viewer: Reader, services: Catalogue, decision: Id) -> dict[str, object]:
    """Return the decision's leaf with what it commits to, and its receipt: an inclusion proof with a checkpoint."""
    return dict(services.log.decision_proof(viewer, digest(decision)).document)
