"""Signatures over what is sent (Standard Webhooks): a receiver knows who sent it, when, and that nothing was changed.

HMAC-SHA256 under a shared secret over `id.timestamp.body`. While a secret is replaced there are two, and both sign.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

from policyengine.errors import PolicyEngineError

PREFIX = "whsec_"
KEY_SIZES = range(24, 65)  # bytes, as Standard Webhooks has them
MAX_SECRETS = 2  # the one in use and the one that follows
MAX_FILE = 1024


class SecretError(PolicyEngineError):
    """The secret of a webhook cannot be used; never says what it is."""

    code = "webhook.secret"


def read_secrets(content: bytes) -> tuple[bytes, ...]:
    """Return the keys of a secret file: one or two lines `whsec_` and base64. Raises SecretError."""
    lines = content.decode("ascii", "replace").split()
    if not 1 <= len(lines) <= MAX_SECRETS:
        raise SecretError("the secret file holds one secret, or two while one is replaced")
    return tuple(map(_key, lines))


def _key(line: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not line.startswith(PREFIX) or len(key) not in KEY_SIZES:
        raise SecretError(f"a secret is `{PREFIX}` and 24 to 64 random bytes in base64")
    return key


def signed_headers(keys: Sequence[bytes], *, message: str, at: int, body: bytes) -> Mapping[str, str]:
    """Return the headers that go with `body`; `at` is when it is sent, in seconds since 1970."""
    covered = f"{message}.{at}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, covered, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }
