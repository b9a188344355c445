"""The session cookie of the pages: an API token that no script reads and no other site sends."""

from __future__ import annotations

from starlette.responses import Response

COOKIE = "policyengine_session"
SESSION_SECONDS = 8 * 3600  # a working day


def set_session(answer: Response, secret: str) -> None:
    """Let the browser keep the session."""
    answer.set_cookie(COOKIE, secret, max_age=SESSION_SECONDS, secure=True, httponly=True, samesite="strict")


def end_session(answer: Response) -> None:
    """Let the browser forget the session."""
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
