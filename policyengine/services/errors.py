"""Why a use case refuses; each class is one answer a caller can act on, each code one stable reason."""

from __future__ import annotations

from policyengine.errors import PolicyEngineError


class ServiceError(PolicyEngineError):
    """The root of what a use case raises; `code` is given per occurrence where one class has many reasons."""

    code = "service.fault"

    def __init__(self, message: str, *, code: str | None = None, **fields: object) -> None:
        super().__init__(message, **fields)
        if code is not None:
            self.code = code


class InvalidRequestError(ServiceError):
    """The request does not have the form or bounds it must have (HTTP 400)."""

    code = "request.invalid"


class RefusedError(ServiceError):
    """Well-formed and not believed, or not entitled (HTTP 403); `fields["check"]` names the failed check."""

    code = "request.refused"


class ForbiddenError(ServiceError):
    """The person may not do that (HTTP 403)."""

    code = "actor.forbidden"


class UnauthenticatedError(ServiceError):
    """The API token is unknown, expired or revoked; one answer for all three (HTTP 401)."""

    code = "actor.unauthenticated"


class MissingError(ServiceError):
    """Nothing of that name, or nothing this viewer may see (HTTP 404)."""

    code = "object.missing"


class ConflictError(ServiceError):
    """It contradicts what is on record: an id held by another key, a lost compare-and-swap (HTTP 409)."""

    code = "state.conflict"


class UnavailableError(ServiceError):
    """Storage cannot take it now; nothing was recorded (HTTP 503)."""

    code = "store.unavailable"
