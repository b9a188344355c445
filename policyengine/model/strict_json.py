"""JSON without room for two readings: UTF-8, no duplicate keys, no NaN, bounded size and depth (RFC 8259, RFC 7493)."""

from __future__ import annotations

import json
import math
import re

from policyengine.errors import PolicyEngineError, quoted

MAX_BYTES = 4 * 1024 * 1024  # an SBOM of 4096 components with long package URLs, three times over
MAX_DEPTH = 64  # our documents have fewer than ten levels

# INVARIANT: a string that never ends is one token up to the end; were it none, each quote inside it would start another
# search to the end, and a body of half a megabyte would cost minutes.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


class InvalidJsonError(PolicyEngineError):
    """Bytes that are not one strict JSON document."""

    code = "json.invalid"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def read_json(content: bytes, *, max_bytes: int = MAX_BYTES) -> object:
    """Return the value of the JSON document `content`.

    Raises InvalidJsonError: `json.too-large`, `json.encoding`, `json.too-deep`, `json.duplicate-key`, `json.number`,
    `json.syntax`.
    """
    if len(content) > max_bytes:
        raise InvalidJsonError(
            f"the document has {len(content)} bytes, the limit is {max_bytes}", code="json.too-large"
        )
    _check_depth(content)
    try:
        return _DECODER.decode(_text(content))
    except json.JSONDecodeError as cause:
        where = f"line {cause.lineno} column {cause.colno}"
        raise InvalidJsonError(f"not JSON: {cause.msg.lower()} at {where}", code="json.syntax") from cause
    except ValueError as cause:
        raise InvalidJsonError("a number has too many digits", code="json.number") from cause


def _text(content: bytes) -> str:
    if content.startswith(b"\xef\xbb\xbf"):
        raise InvalidJsonError("the document starts with a byte order mark", code="json.encoding")
    try:
        return content.decode()
    except UnicodeDecodeError as cause:
        raise InvalidJsonError(f"not UTF-8 at byte {cause.start}", code="json.encoding") from cause


def _check_depth(content: bytes) -> None:
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _TOKEN.finditer(content):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise InvalidJsonError(f"nested deeper than {MAX_DEPTH} levels", code="json.too-deep")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise InvalidJsonError(f"key {quoted(key)} occurs twice in one object", code="json.duplicate-key")
        seen.add(key)
    return found


def _finite(text: str) -> float:
    """Return the double `text`; one beyond the greatest would be read as infinity, which JSON cannot write."""
    value = float(text)
    if math.isinf(value):
        raise InvalidJsonError(f"the number {quoted(text)} is too large", code="json.number")
    return value


def _constant(name: str) -> object:
    raise InvalidJsonError(f"`{name}` is not JSON", code="json.number")


# Made once: `json.loads` would make one for each document.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_finite)
