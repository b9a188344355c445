"""Bodies of plain routes, read whole; the edge has bounded them."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from api.errors import UnsupportedContentTypeError

JSON = b"application/json"


async def json_body(scope: Scope, receive: Receive) -> bytes:
    """Return a body that must be JSON by its type; raises UnsupportedContentTypeError."""
    types = [value for name, value in scope["headers"] if name == b"content-type"]
    if len(types) != 1 or types[0].partition(b";")[0].strip().lower() != JSON:
        raise UnsupportedContentTypeError("send application/json", accepted=["application/json"])
    return await read_body(receive)


async def optional_json_body(scope: Scope, receive: Receive) -> bytes:
    """Return a body that may be left out; raises UnsupportedContentTypeError."""
    if any(name == b"content-type" for name, _ in scope["headers"]):
        return await json_body(scope, receive)
    body = await read_body(receive)
    if body:
        raise UnsupportedContentTypeError("send application/json", accepted=["application/json"])
    return body


async def read_body(receive: Receive) -> bytes:
    """Return the body of whatever type; raises ClientDisconnect when it does not come to its end."""
    message = await _part(receive)
    if not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        return whole
    parts = [message.get("body", b"")]
    while message.get("more_body"):
        message = await _part(receive)
        parts.append(message.get("body", b""))
    return b"".join(parts)


async def _part(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect  # half a body is no request
    return message
