"""Evidence exports: asked for, then fetched; what is in them is for `policyengine audit verify` to judge."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Auditor, Catalogue
from api.strict import StrictRoute
from policyengine.model.times import parse_timestamp
from policyengine.services.exports.jobs import ExportState
from policyengine.services.exports.period import MAX_PARTS, ExportRequest, parse_scope

router = APIRouter(prefix="/v1/evidence-exports", tags=["exports"], route_class=StrictRoute)

MAX_MOMENT = 40  # characters of an RFC 3339 time with nanoseconds and zone
MAX_PART = 160  # characters of one part of a scope: a key and the longest device id
Id = Annotated[str, Path(max_length=80, description="the export's name, as the request for it answered")]
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
}


class ExportIn(BaseModel):
    """What an export is of; the period is half-open and must be over."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    start: str = Field(alias="from", max_length=MAX_MOMENT, examples=["2026-11-01T00:00:00Z"])
    end: str = Field(alias="to", max_length=MAX_MOMENT, examples=["2026-11-23T00:00:00Z"])
    framework: str | None = Field(default=None, max_length=64, examples=["etsi"])
    scope: list[Annotated[str, Field(max_length=MAX_PART)]] = Field(
        default_factory=list, max_length=MAX_PARTS, examples=[["site:plant-a", "model:gw-200"]]
    )


class ExportOut(BaseModel):
    """How far an export is: running, done (then with its size in bytes) or failed (then with a stable code)."""

    id: str
    state: str
    size: int | None
    code: str | None


@router.post("", status_code=202, response_model=ExportOut)
def ask_for_export(actor: Auditor, services: Catalogue, body: ExportIn) -> Response:
    """Have an export written; the same request again answers the same export, so a retry is safe."""
    request = ExportRequest(
        framework=body.framework,
        start=parse_timestamp(body.start),
        end=parse_timestamp(body.end),
        scope=parse_scope(body.scope),
    )
    name, found = services.export_jobs.ask(actor, request)
    headers = {"Location": f"/v1/evidence-exports/{name}", "Retry-After": "2"}
    return JSONResponse(_out(name, found).model_dump(), status_code=202, headers=headers)


@router.get("/{name}")
def show_export(viewer: Auditor, services: Catalogue, name: Id) -> ExportOut:
    """Return how far an export is."""
    return _out(name, services.export_jobs.state(viewer, name))


@router.get("/{name}/file", responses=_FILE, response_class=StreamingResponse)
def fetch_export(viewer: Auditor, services: Catalogue, name: Id) -> Response:
    """Return the export; 409 while it is not done."""
    size, content = services.export_jobs.content(viewer, name)
    headers = {"Content-Length": str(size), "Content-Disposition": 'attachment; filename="evidence.zip"'}
    return StreamingResponse(content, media_type="application/zip", headers=headers)


def _out(name: str, found: ExportState) -> ExportOut:
    return ExportOut(id=name, state=found.state, size=found.size, code=found.code)
