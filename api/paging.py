"""Lists in pages, conditional answers, and the query members that every read shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from api.auth import Catalogue
from api.errors import PreconditionError
from api.selection import names
from policyengine.model.base64url import base64url
from policyengine.model.times import format_timestamp, parse_timestamp
from policyengine.services.errors import InvalidRequestError
from policyengine.services.fleet_scope import WHOLE_FLEET, FleetScope, parse_scope
from policyengine.services.ports import DEFAULT_PAGE, MAX_PAGE, PageRequest
from policyengine.services.records import Page

MAX_CURSOR = 512  # an id and a time, encoded
IMMUTABLE_SECONDS = 86400  # bytes that a digest names never change; a day keeps the caches of a lost token short

T = TypeVar("T")
Shape = TypeVar("Shape", bound=BaseModel)


Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR, description="from `Link` of the page before")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


class Pager:
    """The page a client asks for, and the way its items go back."""

    def __init__(
        self, request: Request, response: Response, cursor: Cursor = None, limit: Limit = DEFAULT_PAGE
    ) -> None:
        self.wanted = PageRequest(cursor=cursor, limit=limit)
        self._request = request
        self._response = response

    def answer(self, page: Page[T], shape: Callable[[T], Shape]) -> list[Shape]:
        """Return the items in their public shape; the next page's address goes into `Link` (RFC 8288)."""
        if page.next is not None:
            query = [(name, value) for name, value in self._request.query_params.multi_items() if name != "cursor"]
            target = f"{self._request.url.path}?{urlencode([*query, ('cursor', page.next)])}"
            self._response.headers["Link"] = f'<{target}>; rel="next"'
        return [shape(item) for item in page.items]


class WholePager(Pager):
    """The page of a list that is short, and read whole: as much as a page can have, unless a client asks for less."""

    def __init__(self, request: Request, response: Response, cursor: Cursor = None, limit: Limit = MAX_PAGE) -> None:
        super().__init__(request, response, cursor, limit)

    def part(self, items: Sequence[T], key: Callable[[T], str], shape: Callable[[T], Shape]) -> list[Shape]:
        """Return the items of the page, of which each has a `key` of its own; raises InvalidRequestError (cursor)."""
        keys = [base64url(key(item).encode()) for item in items]
        start = 0 if self.wanted.cursor is None else _after(self.wanted.cursor, keys)
        end = start + self.wanted.limit
        return self.answer(Page(items=tuple(items[start:end]), next=keys[end - 1] if end < len(keys) else None), shape)


def _after(cursor: str, keys: Sequence[str]) -> int:
    """Return the place after the item that a cursor names; one that has left the list since names none."""
    if cursor not in keys:
        raise InvalidRequestError("cursor names nothing in this list", code="request.cursor", path="cursor")
    return keys.index(cursor) + 1


def _as_of(
    services: Catalogue,
    as_of: Annotated[str | None, Query(max_length=40, description="answer as it was then (RFC 3339 with zone)")] = None,
) -> datetime | None:
    """Return the moment asked about; raises InvalidRequestError for one that is not over: its answer would change."""
    moment, now = (None if as_of is None else parse_timestamp(as_of)), services.clock.now()
    if moment is not None and moment > now:
        raise InvalidRequestError(
            f"`as_of` is in the future: it is {format_timestamp(now)} here", code="request.as-of", path="as_of"
        )
    return moment


def _decided_as_of(services: Catalogue, moment: Annotated[datetime | None, Depends(_as_of)]) -> datetime | None:
    """Return the moment asked about, of which decisions are kept; raises InvalidRequestError (`request.archived`)."""
    since = None if moment is None else services.retention.kept_since()
    if moment is not None and since is not None and moment < since:
        raise InvalidRequestError(
            f"decisions from before {format_timestamp(since)} were archived; ask the archived segments",
            code="request.archived",
            path="as_of",
        )
    return moment


def _scope(
    scope: Annotated[
        list[str] | None,
        Query(
            max_length=64,
            description="`model:NAME`, `site:NAME`, `zone:NAME`; names of one key are alternatives, all keys must hold",
            examples=[["site:plant-a", "model:gw-200"]],
        ),
    ] = None,
) -> FleetScope:
    return WHOLE_FLEET if scope is None else parse_scope(scope)


Paging = Annotated[Pager, Depends()]
WholePaging = Annotated[WholePager, Depends()]
Scope = Annotated[FleetScope, Depends(_scope)]
AsOf = Annotated[datetime | None, Depends(_as_of)]
DecidedAsOf = Annotated[datetime | None, Depends(_decided_as_of)]


def conditional(request: Request, content: bytes, *, media_type: str, tag: str, max_age: int = 0) -> Response:
    """Return `content`, or 304 when the client has it already (RFC 9110 section 13.1.2)."""
    freshness = f"private, max-age={max_age}" if max_age else "private, no-cache"
    headers = {"ETag": tag, "Cache-Control": freshness}
    if names(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def demand_match(request: Request, tag: str) -> None:
    """Raise PreconditionError when If-Match is there and does not name `tag` (RFC 9110 section 13.1.1)."""
    given = request.headers.get("if-match")
    if given is not None and given.strip() != "*" and not names(given, tag):
        raise PreconditionError("read it again and decide again", current=tag)
