"""Base 64 as notes and receipts use it (RFC 4648 section 4): one spelling for each byte string."""

from __future__ import annotations

import base64
import binascii


def encoded(content: bytes) -> str:
    """Return `content` in Base 64."""
    return base64.b64encode(content).decode("ascii")


def decoded(text: str) -> bytes | None:
    """Return the bytes that `text` spells; None for anything but their one spelling (RFC 4648 section 3.5)."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if encoded(content) == text else None
