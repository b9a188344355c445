"""The one door for CBOR (RFC 8949): a single fast decode with every leniency refused.

`cbor2` decodes in native code; what it would accept and evidence may not hold is closed here: trailing bytes, duplicate
keys, indefinite lengths, depth, size, tags outside the allow-list (they stay inert `CBORTag`s, never dates, bignums,
regular expressions or shared references), map keys other than integers and text (so that `true` is never taken for 1),
floats that are not finite, and simple values without meaning. Longer encodings of a number or length are accepted:
RFC 9783 section 5.1.1 asks verifiers to tolerate them.

Why something was refused is found by `cbor_scan`, a slow and obvious reader that only runs then; tests hold the two
to the same verdict on random input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO
from typing import Any, NoReturn

from cbor2 import CBORDecodeEOF, CBORDecoder, CBORError, CBORTag, frozendict

from policyengine.attestation.cbor_scan import MAX_BYTES, MAX_DEPTH, refusal
from policyengine.attestation.errors import MalformedEvidenceError

# Tags that cbor2 turns into Python objects by itself (its documentation, "Tag support"); all are made inert here.
_INTERPRETED_TAGS = (
    *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100),
    *(256, 258, 260, 261, 1004, 43000, 55799),
)
_SCALARS = frozenset({int, str, bytes, bool, type(None)})
_KEYS = frozenset({int, str})
_ARRAYS = frozenset({list, tuple})
_MAPS = frozenset({dict, frozendict})

Reader = Callable[[bytes], Any]


class _RefusedError(Exception):
    """Something the door does not let through; the scanner will say what and where."""


def reader(*tags: int) -> Reader:
    """Return a function from bytes to the one CBOR item they are, with exactly `tags` allowed in it.

    The item is made of int, str, bytes, bool, None, finite float, list or tuple, Mapping, and CBORTag for `tags`.
    The function raises MalformedEvidenceError with a `cbor.*` code and the `offset` of the byte it does not accept.
    Work is bounded by MAX_BYTES and MAX_DEPTH.
    """
    allowed = frozenset(tags)
    interpreted = {tag: _inert(tag, allowed) for tag in _INTERPRETED_TAGS}

    def hook(tag: CBORTag, _immutable: bool) -> CBORTag:  # noqa: FBT001 - the signature cbor2 calls
        if tag.tag not in allowed:
            raise _RefusedError
        return tag

    def read(data: bytes) -> Any:
        if len(data) > MAX_BYTES:
            _refuse(data, allowed)
        try:
            decoder = CBORDecoder(
                BytesIO(data),
                tag_hook=hook,
                semantic_decoders=interpreted,
                max_depth=MAX_DEPTH,
                allow_indefinite=False,
                allow_duplicate_keys=False,
            )
            item = decoder.decode()
            _require_end(decoder)
            _require_plain(item)
        except (CBORError, _RefusedError) as cause:
            _refuse(data, allowed, cause)
        return item

    return read


def _inert(tag: int, allowed: frozenset[int]) -> Callable[[Any, bool], CBORTag]:
    def decode(value: Any, _immutable: bool) -> CBORTag:  # noqa: FBT001 - the signature cbor2 calls
        if tag not in allowed:
            raise _RefusedError
        return CBORTag(tag, value)

    return decode


def _require_end(decoder: CBORDecoder) -> None:
    try:
        decoder.read(1)
    except CBORDecodeEOF:
        return
    raise _RefusedError


def _require_plain(root: object) -> None:
    """Return if everything inside `root` is of a type the door lets through; each container is looked at once."""
    if type(root) in _SCALARS:
        return
    pending = [root]
    for value in pending:  # grows while it is read: no recursion, no second pass
        children = _children(value)
        if not _SCALARS.issuperset(map(type, children)):
            pending.extend(children)


def _children(value: Any) -> tuple[Any, ...]:
    kind = type(value)
    if kind in _MAPS:
        if not _KEYS.issuperset(map(type, value)):
            raise _RefusedError
        return tuple(value.values())
    if kind in _ARRAYS:
        return tuple(value)
    if kind is CBORTag:
        return (value.value,)
    if kind in _SCALARS or (kind is float and math.isfinite(value)):
        return ()
    raise _RefusedError


def _refuse(data: bytes, tags: frozenset[int], cause: Exception | None = None) -> NoReturn:
    code, offset, reason = refusal(data, tags)
    raise MalformedEvidenceError(code, f"{reason} (byte {offset})", offset=offset) from cause
