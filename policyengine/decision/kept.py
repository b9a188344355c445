"""A memory of what was made before, bounded in entries and in bytes, because devices choose what is kept."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Kept(Generic[_Key, _Value]):
    """Values by key, at most `entries` of them and `size` bytes together; what would be more makes it start again."""

    __slots__ = ("_entries", "_held", "_known", "_size")

    def __init__(self, *, entries: int, size: int) -> None:
        self._entries, self._size, self._held = entries, size, 0
        self._known: dict[_Key, _Value] = {}

    def get(self, key: _Key) -> _Value | None:
        """Return the value kept under `key`, None if there is none."""
        return self._known.get(key)

    def keep(self, key: _Key, value: _Value, size: int) -> None:
        """Keep `value`, which takes `size` bytes with its key; what alone would take more than all may is not kept."""
        if size > self._size or key in self._known:
            return
        if len(self._known) >= self._entries or self._held + size > self._size:
            self._known.clear()
            self._held = 0
        self._known[key] = value
        self._held += size
