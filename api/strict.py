"""Requests to people's routes: no query member nobody reads; one media type, one strict JSON document, its shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.errors import UnsupportedContentTypeError
from policyengine.model.strict_json import read_json
from policyengine.services.errors import InvalidRequestError


class StrictRoute(APIRoute):
    """A FastAPI route whose query and JSON are read without room for two readings."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's own handler behind the strict reader."""
        handler = super().get_route_handler()
        known, takes_body = frozenset(_query_members(self.dependant)), self.body_field is not None

        async def strict(request: Request) -> Response:
            _demand_known(request, known)
            if not takes_body:
                return await handler(request)
            demand_media_type(request, "application/json")
            body = await request.body()
            return await handler(StrictRequest(request, read_json(body) if body else None))

        return strict


def _query_members(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _query_members(inner)


def _demand_known(request: Request, known: frozenset[str]) -> None:
    """Raise InvalidRequestError for a query member that the route does not take.

    A misspelt filter, or an `as_of` that nobody reads, would otherwise answer another question than was asked.
    """
    unknown = sorted(request.query_params.keys() - known)
    if unknown:
        taken = ", ".join(f"`{name}`" for name in sorted(known)) or "none"
        raise InvalidRequestError(f"this resource takes no `{unknown[0]}`; it takes {taken}", path=unknown[0])


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
