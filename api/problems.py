"""Errors as problem documents (RFC 9457): the only place where an error becomes an HTTP status.

A use case's error class is one answer; an engine's error is found by the longest matching prefix of its stable code.
`type` is the relative URI `/problems/<code>`, under which this server explains the code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

from api.errors import HttpError
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.malformed_codes import MEANINGS
from policyengine.services.authoring.check_explanation import explain_check
from policyengine.services.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    MissingError,
    RefusedError,
    UnauthenticatedError,
    UnavailableError,
)

MEDIA_TYPE = "application/problem+json"

_RESERVED = frozenset({"type", "title", "status", "detail", "code", "request_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The status and title that a kind of error has."""

    status: int
    title: str


_INTERNAL = Answer(status=500, title="The server failed")

_MALFORMED_EVIDENCE = Answer(status=400, title="The evidence is not well-formed")

_BY_CLASS: Mapping[type[Exception], Answer] = {
    MalformedEvidenceError: _MALFORMED_EVIDENCE,  # whatever its format, also one that somebody plugged in
    InvalidRequestError: Answer(status=400, title="The request is not as it must be"),
    UnauthenticatedError: Answer(status=401, title="No valid credential came with the request"),
    ForbiddenError: Answer(status=403, title="This credential may not do that"),
    RefusedError: Answer(status=403, title="What the request claims was not believed"),
    MissingError: Answer(status=404, title="There is nothing of that name"),
    ConflictError: Answer(status=409, title="The request contradicts what is on record"),
    UnavailableError: Answer(status=503, title="The server cannot take the request now"),
}

_BY_CODE: Mapping[str, Answer] = {
    "json": Answer(status=400, title="The body is not one strict JSON document"),
    "request": Answer(status=400, title="The request is not as it must be"),
    "name": Answer(status=400, title="A name does not have the form its kind demands"),
    "facts": Answer(status=400, title="Reported facts were refused"),
    "cbor": _MALFORMED_EVIDENCE,
    "cose": _MALFORMED_EVIDENCE,
    "psa": _MALFORMED_EVIDENCE,
    "pop": _MALFORMED_EVIDENCE,
    "evidence": _MALFORMED_EVIDENCE,
    "evidence.media-type": Answer(status=415, title="Evidence of that media type is not taken here"),
    "csr": Answer(status=400, title="The certification request was refused"),
    "key": Answer(status=400, title="The public key was refused"),
    "path": Answer(status=400, title="The certificate cannot be read"),
    "der": Answer(status=400, title="The bytes are not the DER that was expected"),
    "bundle": Answer(status=400, title="The bundle was refused"),
    "time": Answer(status=400, title="A time cannot be read"),
    "hsm": Answer(status=503, title="The CA's key cannot be used now"),
    "issue": Answer(status=503, title="The CA cannot sign now"),
    "http": Answer(status=400, title="The request was refused"),
    "http.400": Answer(status=400, title="The request is not HTTP as it must be"),
    "http.404": Answer(status=404, title="There is nothing at this address"),
    "http.405": Answer(status=405, title="This resource does not take that method"),
    "http.throttled": Answer(status=429, title="This caller asks too often"),
    "http.schema": Answer(status=422, title="The request does not have the shape this resource takes"),
}


def answer_for(error: BaseException) -> Answer:
    """Return the status and title of `error`; anything that nobody named is an internal failure."""
    if isinstance(error, HttpError):
        return Answer(status=error.status, title=error.title)
    for kind in type(error).__mro__:
        if kind in _BY_CLASS:
            return _BY_CLASS[kind]
    return answer_for_code(_code(error))


def answer_for_code(code: str) -> Answer:
    """Return the status and title of the longest known prefix of `code`."""
    parts = code.split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((_BY_CODE[prefix] for prefix in prefixes if prefix in _BY_CODE), _INTERNAL)


def title_for(code: str) -> str:
    """Return the title of what `code` stands for: a failed check of evidence, bytes that do not parse, or another."""
    if code in MEANINGS:
        return _MALFORMED_EVIDENCE.title
    return _BY_CLASS[RefusedError].title if explain_check(code) is not None else answer_for_code(code).title


def problem_of(error: BaseException, *, request_id: str | None = None) -> Response:
    """Return the response that tells a client of `error`; an internal failure tells no more than its request id."""
    answer = answer_for(error)
    if answer is _INTERNAL:
        return problem(answer, code="fault.internal", request_id=request_id)
    message, fields = getattr(error, "message", ""), _with_page(getattr(error, "fields", {}))
    headers = dict(getattr(error, "headers", ()))
    if answer.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="policyengine"'
    if "retry_after" in fields:
        headers["Retry-After"] = str(fields["retry_after"])
    return problem(answer, code=_code(error), detail=message, fields=fields, headers=headers, request_id=request_id)


def _with_page(fields: Mapping[str, object]) -> Mapping[str, object]:
    """Return `fields` and, if they name a check that is explained somewhere, the page that does so."""
    check = fields.get("check")
    found = explain_check(check) if isinstance(check, str) else None
    return fields if found is None or found.documentation is None else {**fields, "documentation": found.documentation}


def problem(
    answer: Answer,
    *,
    code: str,
    detail: str | None = None,
    fields: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> Response:
    """Return a problem document of `code`; `fields` become further members."""
    document: dict[str, object] = {
        "type": f"/problems/{code}",
        "title": answer.title,
        "status": answer.status,
        "code": code,
    }
    if detail:
        document["detail"] = detail
    if request_id:
        document["request_id"] = request_id
    document |= {name: _plain(value) for name, value in (fields or {}).items() if name not in _RESERVED}
    body = json.dumps(document, ensure_ascii=True, allow_nan=False)
    return Response(body, status_code=answer.status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _code(error: BaseException) -> str:
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else "fault.internal"


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [_plain(item) for item in value]
    return str(value)
