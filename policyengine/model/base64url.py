"""Bytes as base64url without padding (RFC 4648 section 5): the one form in which our documents hold bytes."""

from __future__ import annotations

import base64


def base64url(content: bytes) -> str:
    """Return `content` as base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
