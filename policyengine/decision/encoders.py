"""CEL's `encoders` extension: Base64 (RFC 4648 section 4)."""

from __future__ import annotations

import binascii

from policyengine.decision.errors import CelError, no_overload


def encode(value: object) -> str:
    """Return `base64.encode(value)` of bytes, with padding."""
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    raise no_overload("base64.encode", value)


def decode(value: object) -> bytes:
    """Return `base64.decode(value)` of a text, with or without padding; raises CelError `cel.conversion`."""
    if not isinstance(value, str):
        raise no_overload("base64.decode", value)
    bare = value.rstrip("=") if len(value) % 4 == 0 else value
    try:
        return binascii.a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True)
    except (binascii.Error, ValueError) as cause:  # ValueError: characters that are not ASCII
        raise CelError("cel.conversion", "the text is not Base64") from cause
