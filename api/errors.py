"""What HTTP itself refuses, before a use case sees the request."""

from __future__ import annotations

from policyengine.errors import PolicyEngineError


class HttpError(PolicyEngineError):
    """The root of the refusals of this floor; `status` is the HTTP status it becomes."""

    code = "http.refused"
    status = 400
    title = "The request was refused"

    def __init__(self, message: str, *, headers: tuple[tuple[str, str], ...] = (), **fields: object) -> None:
        super().__init__(message, **fields)
        self.headers = headers


class BadHeaderError(HttpError):
    """A header that is missing, doubled or ill-formed (RFC 9110 section 5.5)."""

    code = "http.header"
    title = "A header is not as it must be"


class UnsupportedContentTypeError(HttpError):
    """The body is not of a type this resource takes (RFC 9110 section 15.5.16)."""

    code = "http.content-type"
    status = 415
    title = "The body is of a type that is not taken here"


class BodyTooLargeError(HttpError):
    """The body is larger than this resource takes (RFC 9110 section 15.5.14)."""

    code = "http.body-too-large"
    status = 413
    title = "The body is too large"


class OverloadedError(HttpError):
    """More requests are in flight than can be answered in time (RFC 9110 section 15.6.4)."""

    code = "http.overloaded"
    status = 503
    title = "Too many requests are being answered now"


class ThrottledError(HttpError):
    """This caller asked or failed too often (RFC 6585 section 4)."""

    code = "http.throttled"
    status = 429
    title = "This caller asks too often"


class KeyReusedError(HttpError):
    """An Idempotency-Key came back with another request (draft-ietf-httpapi-idempotency-key-header section 2.7)."""

    code = "http.idempotency-key"
    status = 422
    title = "The Idempotency-Key was used for another request"


class PreconditionError(HttpError):
    """If-Match names a state that is no longer the current one (RFC 9110 section 13.1.1)."""

    code = "http.precondition"
    status = 412
    title = "The resource has changed since you read it"
