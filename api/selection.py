"""What a client asks of an answer beside its content: only some of its members, or only if it has changed."""

from __future__ import annotations

import hashlib
import json
from inspect import isclass
from typing import get_args, get_origin

from fastapi import Request, Response
from pydantic import BaseModel

from policyengine.errors import quoted
from policyengine.services.errors import InvalidRequestError

FIELDS = "fields"
MAX_FIELDS = 512  # characters: every member of the largest shape, named once
JSON = "application/json"
PART = "application/vnd.policyengine.part+json"  # an answer that lacks what its shape requires, as was asked


def selectable(model: object) -> frozenset[str]:
    """Return the members by which answers of `model`, a shape or a list of them, can be cut down; none: they cannot."""
    shape = get_args(model)[0] if get_origin(model) is list else model
    if not (isclass(shape) and issubclass(shape, BaseModel)):
        return frozenset()
    return frozenset(field.serialization_alias or name for name, field in shape.model_fields.items())


def wanted_fields(text: str, known: frozenset[str]) -> frozenset[str]:
    """Return the members that `text` names, separated by commas; raises InvalidRequestError (`request.fields`)."""
    if len(text) > MAX_FIELDS:
        raise InvalidRequestError(
            f"`fields` is longer than {MAX_FIELDS} characters", code="request.fields", path=FIELDS
        )
    wanted = frozenset(text.split(","))
    unknown = sorted(wanted - known)
    if unknown:
        there = ", ".join(f"`{name}`" for name in sorted(known))
        raise InvalidRequestError(
            f"the answer has no field {quoted(unknown[0])}; it has {there}", code="request.fields", path=FIELDS
        )
    return wanted


def cut_down(response: Response, wanted: frozenset[str]) -> Response:
    """Return the answer with the members that were asked for, in their order."""
    if response.status_code != 200:
        return response
    document = json.loads(bytes(response.body))
    part = [_part(row, wanted) for row in document] if isinstance(document, list) else _part(document, wanted)
    content = json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode()
    kept = {name: value for name, value in response.headers.items() if name not in {"content-length", "content-type"}}
    return Response(content, media_type=PART, headers=kept)


def _part(row: dict[str, object], wanted: frozenset[str]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name in wanted}


def tagged(request: Request, response: Response) -> Response:
    """Return the answer with an entity tag, or 304 where the client has it (RFC 9110 section 13.1.2).

    The moment that an answer is for is not part of what is compared: that tag is a weak one (section 8.8.1).
    """
    is_json = response.headers.get("content-type", "").partition(";")[0] in {JSON, PART}
    if response.status_code != 200 or not is_json or "etag" in response.headers:
        return response
    tag = _tag_of(bytes(response.body))
    fresh = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if names(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=fresh)
    response.headers.update(fresh)
    return response


def _tag_of(content: bytes) -> str:
    document = json.loads(content) if content.startswith(b'{"as_of":') else None
    if not isinstance(document, dict):
        return entity_tag(content)
    timeless = {name: value for name, value in document.items() if name != "as_of"}
    return f"W/{entity_tag(json.dumps(timeless).encode())}"


def entity_tag(content: bytes) -> str:
    """Return a strong entity tag of `content` (RFC 9110 section 8.8.3)."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def names(header: str, tag: str) -> bool:
    """Tell whether If-Match or If-None-Match names `tag`; the marks of weak tags are left aside (section 13.1.2)."""
    return tag.removeprefix("W/") in (part.strip().removeprefix("W/") for part in header.split(","))
