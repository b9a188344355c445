"""Bytes as base64url without padding (RFC 4648 section 5): the one form in which our documents hold bytes."""

from __future__ import annotations

import base64
import binascii

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def base64url(content: bytes) -> str:
    """Return `content` as base64url without padding."""
    return binascii.b2a_base64(content, newline=False).translate(_URL_SAFE, b"=").decode()


def from_base64url(text: str) -> bytes | None:
    """Return the bytes that `text` spells without padding; None for anything but their one spelling."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if base64url(content) == text else None
