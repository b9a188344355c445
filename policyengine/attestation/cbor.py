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
from collections.abc import Callable, Container, Sequence
from typing import Any, NoReturn

from cbor2 import CBORError, CBORTag, frozendict, loads

from policyengine.attestation.cbor_scan import MAX_BYTES, MAX_DEPTH, MAX_ITEMS, refusal
from policyengine.attestation.errors import MalformedEvidenceError

# Tags that cbor2 turns into Python objects by itself (its documentation, "Tag support"); all are made inert here.
_INTERPRETED_TAGS = (
    *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100),
    *(256, 258, 260, 261, 1004, 43000, 55799),
)
_SCALARS = frozenset({int, str, bytes, bool, type(None)})
_KEYS = frozenset({int, str})  # by type: `True` is no integer here

Reader = Callable[[bytes], Any]

# How bytes after the item are found at the cost of one decode: what is decoded is an array of two, the item and a mark,
# which is a string of zero bytes longer than the data. INVARIANT: if bytes followed the item, the second element would
# begin in them; to be as long as the mark it would have to hold the mark's own header, and that is not zeros.
_PAIR = b"\x82"
_MARK_HEADER = b"\x5a"  # a byte string with a length of four bytes
_SHORT = 1000  # tokens of real devices have about 500 bytes; their mark is made once
_SHORT_MARK = bytes(_SHORT + 1)
_SHORT_END = _MARK_HEADER + len(_SHORT_MARK).to_bytes(4, "big") + _SHORT_MARK


class _RefusedError(Exception):
    """Something the door does not let through; the scanner will say what and where."""


def reader(*tags: int) -> Reader:
    """Return a function from bytes to the one CBOR item they are, with exactly `tags` allowed in it.

    The item is made of int, str, bytes, bool, None, finite float, list or tuple, Mapping, and CBORTag for `tags`.
    The function raises MalformedEvidenceError with a `cbor.*` code and the `offset` of the byte it does not accept.
    Work is bounded by MAX_BYTES and MAX_DEPTH.
    """
    return reader_of(frozenset(tags))


def reader_of(allowed: Container[int]) -> Reader:
    """Return the `reader` that lets the tags in `allowed` through."""
    interpreted = {tag: _inert(tag, allowed) for tag in _INTERPRETED_TAGS}

    def hook(tag: CBORTag, _immutable: bool) -> CBORTag:  # noqa: FBT001 - the signature cbor2 calls
        if tag.tag not in allowed:
            raise _RefusedError
        return tag

    def read(data: bytes) -> Any:
        if len(data) > MAX_BYTES:
            _refuse(data, allowed)
        mark, end = (_SHORT_MARK, _SHORT_END) if len(data) <= _SHORT else _mark(len(data) + 1)
        try:
            item, after = loads(
                _PAIR + data + end,
                tag_hook=hook,
                semantic_decoders=interpreted,
                max_depth=MAX_DEPTH + 1,
                allow_indefinite=False,
                allow_duplicate_keys=False,
            )
            _require_plain(item)
        except (CBORError, _RefusedError) as cause:
            _refuse(data, allowed, cause)
        if after != mark:
            _refuse(data, allowed)
        return item

    return read


def _mark(size: int) -> tuple[bytes, bytes]:
    mark = bytes(size)
    return mark, _MARK_HEADER + size.to_bytes(4, "big") + mark


def _inert(tag: int, allowed: Container[int]) -> Callable[[Any, bool], CBORTag]:
    def decode(value: Any, _immutable: bool) -> CBORTag:  # noqa: FBT001 - the signature cbor2 calls
        if tag not in allowed:
            raise _RefusedError
        return CBORTag(tag, value)

    return decode


def _require_plain(root: Any) -> None:
    """Return if everything inside `root` is of a type the door lets through; each container is looked at once."""
    pending = [] if type(root) in _SCALARS else [root]
    for value in pending:  # grows while it is read: no recursion, no second pass
        kind = type(value)
        if kind is dict or kind is frozendict:
            if not _KEYS.issuperset(map(type, value)):
                raise _RefusedError
            if not _SCALARS.issuperset(map(type, value.values())):
                pending += [inside for inside in value.values() if type(inside) not in _SCALARS]
        else:
            pending += [inside for inside in _inside(value, kind) if type(inside) not in _SCALARS]
        if len(pending) > MAX_ITEMS:
            raise _RefusedError


def _inside(value: Any, kind: type[Any]) -> Sequence[Any]:
    if kind is list or kind is tuple:
        items: Sequence[Any] = value
        return items
    if kind is CBORTag:
        return (value.value,)
    if kind is float and math.isfinite(value):
        return ()
    raise _RefusedError


def _refuse(data: bytes, tags: Container[int], cause: Exception | None = None) -> NoReturn:
    code, offset, reason = refusal(data, tags)
    raise MalformedEvidenceError(code, f"{reason} (byte {offset})", offset=offset) from cause
