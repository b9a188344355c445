"""What operators and load balancers ask of the server itself."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from api import metrics
from api.auth import Catalogue, Meter, Open
from api.description import describe

router = APIRouter(tags=["operation"])

PUBLIC = [Depends(Open())]


@router.get("/livez", dependencies=PUBLIC)
async def livez() -> dict[str, str]:
    """Return that this process answers."""
    return {"status": "ok"}


@router.get("/readyz", dependencies=PUBLIC)
def readyz(services: Catalogue) -> Response:
    """Return 200 when storage answers and a bundle is in force, else 503 with stable codes."""
    health = services.health.check()
    status = "ready" if health.ready else "not-ready"
    document = {"status": status, "problems": list(health.problems), "generation": health.generation}
    return JSONResponse(document, status_code=200 if health.ready else 503)


@router.get("/metrics", response_class=Response)
def show_metrics(viewer: Meter, services: Catalogue, request: Request) -> Response:
    """Return counters and gauges in the Prometheus text format."""
    own: metrics.Metrics = request.app.state.metrics
    counted = own.with_others(request.app.state.options.others())
    active = services.bundles.active()
    text = counted.text(
        devices=services.devices.overview(viewer),
        generation=active.generation if active else None,
    )
    return Response(text, media_type=metrics.MEDIA_TYPE)


@router.get("/openapi.json", dependencies=PUBLIC, include_in_schema=False)
def show_description(request: Request) -> Response:
    """Return the OpenAPI 3.1 description of this API."""
    return JSONResponse(describe(request.app))
