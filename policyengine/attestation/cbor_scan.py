"""Why bytes are not acceptable CBOR, and at which byte: a slow, obvious reader of RFC 8949 section 3.

It runs only on what the fast door refused, and in tests as the second opinion on what the door accepts.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Container
from dataclasses import dataclass

MAX_BYTES = 64 * 1024  # the largest third-party PSA, CCA or DICE evidence we know has under 8 KiB
MAX_DEPTH = 16  # evidence nests five deep; CoRIM eleven
MAX_ITEMS = 8 * 1024  # bound on work: of containers in the door, of all items in the scanner; no evidence has so many

_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLE = {20: False, 21: True, 22: None}


class _StopError(Exception):
    def __init__(self, code: str, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.finding = (code, offset, reason)


def refusal(data: bytes, tags: Container[int]) -> tuple[str, int, str]:
    """Return (code, offset, reason) of the first thing in `data` that the door does not accept.

    `cbor.invalid` at 0 means that this reader found nothing: the door refused for a reason of its own.
    """
    try:
        _scan(data, tags)
    except _StopError as stop:
        return stop.finding
    return ("cbor.invalid", 0, "the decoder refuses it")


def _scan(data: bytes, tags: Container[int]) -> None:
    if not data:
        raise _StopError("cbor.empty", 0, "there are no bytes")
    if len(data) > MAX_BYTES:
        raise _StopError("cbor.size", MAX_BYTES, f"{len(data)} bytes, the limit is {MAX_BYTES}")
    scanner = _Scanner(data=data, tags=tags)
    scanner.item(depth=0)
    if scanner.at != len(data):
        raise _StopError("cbor.trailing", scanner.at, f"{len(data) - scanner.at} bytes follow the item")


@dataclass(slots=True, kw_only=True)
class _Scanner:
    data: bytes
    tags: Container[int]
    at: int = 0
    items: int = 0

    def item(self, *, depth: int) -> object:
        """Read one item; returns the value of int, text and simple items, which may be map keys, else None."""
        start = self.at
        self.items += 1
        if self.items > MAX_ITEMS:
            raise _StopError("cbor.items", start, f"more than {MAX_ITEMS} items")
        initial = self._take(1)[0]
        major, additional = initial >> 5, initial & 0x1F
        if major == 7:
            return self._simple(additional, start)
        argument = self._argument(additional, start)
        if major <= 1:
            return argument if major == 0 else -1 - argument
        if major <= 3:
            return self._string(self._take(argument), start, major)
        if depth >= MAX_DEPTH:
            raise _StopError("cbor.depth", start, f"nested deeper than {MAX_DEPTH}")
        self._container(major, argument, start, depth + 1)
        return None

    def _container(self, major: int, argument: int, start: int, depth: int) -> None:
        if major == 6:
            if argument not in self.tags:
                raise _StopError("cbor.tag", start, f"tag {argument} is not allowed here")
            self.item(depth=depth)
        elif major == 4:
            for _ in range(argument):
                self.item(depth=depth)
        else:
            self._map(argument, depth)

    def _map(self, pairs: int, depth: int) -> None:
        seen: set[object] = set()
        for _ in range(pairs):
            start = self.at
            kind = self.data[start] >> 5 if start < len(self.data) else 0
            key = self.item(depth=depth)
            if kind not in {0, 1, 3}:
                raise _StopError("cbor.key-type", start, "a map key is neither an integer nor text")
            if key in seen:
                raise _StopError("cbor.duplicate-key", start, "a map key is repeated")
            seen.add(key)
            self.item(depth=depth)

    def _take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise _StopError("cbor.truncated", len(self.data), "the bytes end inside an item")
        self.at += count
        return taken

    def _argument(self, additional: int, start: int) -> int:
        if additional < 24:
            return additional
        if additional == 31:
            raise _StopError("cbor.indefinite", start, "an indefinite length")
        if additional > 27:
            raise _StopError("cbor.reserved", start, "a reserved length code")
        return int.from_bytes(self._take(1 << (additional - 24)), "big")

    def _string(self, content: bytes, start: int, major: int) -> object:
        if major == 2:
            return None
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as cause:
            raise _StopError("cbor.utf8", start, "text is not UTF-8") from cause

    def _simple(self, additional: int, start: int) -> object:
        if additional in _FLOATS:
            (number,) = struct.unpack(_FLOATS[additional], self._take(1 << (additional - 24)))
            if not math.isfinite(number):
                raise _StopError("cbor.float", start, "a number is not finite")
            return None
        if additional == 31:
            raise _StopError("cbor.indefinite", start, "a break without an indefinite length")
        if additional not in _SIMPLE:
            raise _StopError("cbor.simple", start, "a simple value other than false, true and null")
        return _SIMPLE[additional]
