"""Request bodies for people's routes: one media type, one strict JSON document, then the declared shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.errors import UnsupportedContentTypeError
from policyengine.model.strict_json import read_json


class StrictRoute(APIRoute):
    """A FastAPI route whose JSON is read without room for two readings."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's own handler behind the strict reader."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def strict(request: Request) -> Response:
            demand_media_type(request, "application/json")
            body = await request.body()
            return await handler(StrictRequest(request, read_json(body) if body else None))

        return strict


class StrictRequest(Request):
    """A request whose JSON is already read."""

    def __init__(self, request: Request, document: object) -> None:
        super().__init__(request.scope, request.receive)
        self._body = b"read"  # the framework asks whether there is a body before it asks for its JSON
        self._document = document

    async def json(self) -> Any:
        """Return the document."""
        return self._document


def demand_media_type(request: Request, *accepted: str) -> None:
    """Raise UnsupportedContentTypeError unless the one Content-Type is of `accepted` and not compressed."""
    types = request.headers.getlist("content-type")
    if len(types) != 1 or _essence(types[0]) not in accepted:
        raise UnsupportedContentTypeError(f"send {' or '.join(accepted)}", accepted=list(accepted))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedContentTypeError("send the body uncompressed", accepted=list(accepted))


def _essence(value: str) -> str:
    message = Message()
    message["content-type"] = value
    return message.get_content_type()
