"""Requests to people's routes: no query member nobody reads; one media type, one strict JSON document, its shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from email.message import Message
from typing import Any, get_args, get_origin

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.errors import UnsupportedContentTypeError
from api.selection import FIELDS, cut_down, selectable, tagged, wanted_fields
from policyengine.model.strict_json import read_json
from policyengine.services.errors import InvalidRequestError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A FastAPI route whose query and JSON are read without room for two readings."""

    @property
    def fields(self) -> frozenset[str]:
        """The members that a client may choose among; none where answers are not cut down."""
        return selectable(self.response_model) if "GET" in (self.methods or ()) else frozenset()

    def get_route_handler(self) -> Handler:
        """Return FastAPI's own handler behind the strict reader."""
        handler = super().get_route_handler()
        known, takes_body = dict(_query_members(self.dependant)), self.body_field is not None
        fields = self.fields
        if fields:
            known[FIELDS] = False

        async def strict(request: Request) -> Response:
            _demand_known(request, known)
            if request.method == "GET":
                return await _read(request, handler, fields)
            if not takes_body:
                return await handler(request)
            demand_media_type(request, "application/json")
            body = await request.body()
            return await handler(StrictRequest(request, read_json(body) if body else None))

        return strict


async def _read(request: Request, handler: Handler, fields: frozenset[str]) -> Response:
    """Return the answer to a read with the members that were asked for, or that it has not changed."""
    text = request.query_params.get(FIELDS) if fields else None
    wanted = None if text is None else wanted_fields(text, fields)
    response = await handler(request)
    return tagged(request, response if wanted is None else cut_down(response, wanted))


def _query_members(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield each query member that a route takes, and whether it may be there more than once."""
    for parameter in dependant.query_params:
        yield parameter.alias, _is_list(parameter.field_info.annotation)
    for inner in dependant.dependencies:
        yield from _query_members(inner)


def _is_list(annotation: object) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


def _demand_known(request: Request, known: Mapping[str, bool]) -> None:
    """Raise InvalidRequestError for a query member that the route does not take, or not that often.

    A misspelt filter, an `as_of` that nobody reads, or the first of two, would answer another question than was asked.
    """
    unknown = sorted(request.query_params.keys() - known.keys())
    if unknown:
        taken = ", ".join(f"`{name}`" for name in sorted(known)) or "none"
        raise InvalidRequestError(f"this resource takes no `{unknown[0]}`; it takes {taken}", path=unknown[0])
    given = [name for name, _ in request.query_params.multi_items()]
    doubled = sorted(name for name, is_list in known.items() if not is_list and given.count(name) > 1)
    if doubled:
        raise InvalidRequestError(f"`{doubled[0]}` is there more than once", path=doubled[0])


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
