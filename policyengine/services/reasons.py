"""The reason a person gives for an act: it stands in the audit log, so it says something."""

from __future__ import annotations

from policyengine.services.errors import InvalidRequestError

MAX_REASON = 500  # a sentence and a ticket's number; what is longer belongs into the ticket


def stated(reason: str) -> str:
    """Return `reason` as it is. Raises InvalidRequestError `request.reason` where it says nothing or too much."""
    if not reason.strip():
        raise InvalidRequestError("say why: the reason is empty", code="request.reason", field="reason")
    if len(reason) > MAX_REASON:
        message = f"reason is longer than {MAX_REASON} characters"
        raise InvalidRequestError(message, code="request.reason", field="reason")
    return reason
