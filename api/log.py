"""The transparency log over HTTP, as clients of C2SP tlog-tiles read it: public, because leaves are commitments."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from api.auth import PublicRoute
from policyengine.services.catalogue import Services
from policyengine.services.errors import MissingError
from policyengine.services.history.log import CHECKPOINT_EVERY
from policyengine.transparency.tiles import MAX_LEVEL, Tile, parse_place

NOTE = "text/plain; charset=utf-8"
TILE = "application/octet-stream"
TILE_SECONDS = 31_536_000  # a tile never changes; a year is what HTTP caches take for ever


def log_routes(services: Services) -> list[BaseRoute]:
    """Return the routes below `/log`; the key, by which all else is verified, is better had from elsewhere."""
    log = services.log
    soon = f"public, max-age={int(CHECKPOINT_EVERY.total_seconds())}"

    def checkpoint(_request: Request) -> Response:
        return Response(log.checkpoint(), media_type=NOTE, headers={"Cache-Control": soon})

    def key(_request: Request) -> Response:
        return Response(f"{log.vkey}\n", media_type=NOTE, headers={"Cache-Control": soon})

    def tile(request: Request) -> Response:
        level = request.path_params["level"]
        if not (len(level) == 1 and level.isascii() and level.isdigit() and int(level) <= MAX_LEVEL):
            raise MissingError("the log has no such tile", code="log.tile")
        return _unchanging(request, log.tile, int(level))

    def entries(request: Request) -> Response:
        return _unchanging(request, log.entries, 0)

    return [
        PublicRoute("/log/checkpoint", checkpoint, methods=["GET"], name="log_checkpoint"),
        PublicRoute("/log/vkey", key, methods=["GET"], name="log_key"),
        PublicRoute("/log/tile/entries/{place:path}", entries, methods=["GET"], name="log_entries"),
        PublicRoute("/log/tile/{level}/{place:path}", tile, methods=["GET"], name="log_tile"),
    ]


def _unchanging(request: Request, read: Callable[[Tile], bytes], level: int) -> Response:
    place = parse_place(request.path_params["place"])
    if place is None:
        raise MissingError("the log has no such tile", code="log.tile")
    content = read(Tile(level=level, index=place[0], width=place[1]))
    headers = {"Cache-Control": f"public, max-age={TILE_SECONDS}, immutable"}
    return Response(content, media_type=TILE, headers=headers)
