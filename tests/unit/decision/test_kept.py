"""What devices can make a memory hold is bounded, in entries and in bytes."""

from __future__ import annotations

import pytest

from policyengine.decision.kept import Kept


@pytest.mark.parametrize(("entries", "size"), [(2, 100), (100, 2)], ids=["entries", "bytes"])
def test_a_full_memory_starts_again(entries: int, size: int) -> None:
    memory = Kept[int, str](entries=entries, size=size)
    for key in range(3):
        memory.keep(key, "kept", 1)
    assert [memory.get(key) for key in range(3)] == [None, None, "kept"]


def test_what_alone_takes_more_than_all_may_is_not_kept_and_drives_nothing_out() -> None:
    memory = Kept[int, str](entries=2, size=2)
    memory.keep(0, "kept", 1)
    memory.keep(1, "too large", 3)
    assert (memory.get(0), memory.get(1)) == ("kept", None)


def test_the_same_kept_twice_counts_once() -> None:
    memory = Kept[int, str](entries=2, size=2)
    for key in (0, 0, 1):
        memory.keep(key, "kept", 1)
    assert [memory.get(0), memory.get(1)] == ["kept", "kept"]
