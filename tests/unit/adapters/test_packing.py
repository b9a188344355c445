"""Stored content: whatever packed it, the standard library reads it (docs/adr/0045)."""

from __future__ import annotations

import zlib

import pytest

from policyengine.adapters.sql.codec import packed, unpacked
from policyengine.services.errors import UnavailableError

DECISION = b'{"findings":[' + b",".join(b'{"rule":"r-%d","result":"pass"}' % number for number in range(500)) + b"]}"


@pytest.mark.parametrize("content", [b"", b"x", DECISION, bytes(range(256)) * 300])
def test_the_standard_library_reads_what_was_packed(content: bytes) -> None:
    assert zlib.decompress(packed(content)) == content


@pytest.mark.parametrize("level", range(10))
def test_what_zlib_packed_is_read(level: int) -> None:
    """Databases from before have it, and machines without ISA-L go on writing it."""
    assert unpacked(zlib.compress(DECISION, level)) == DECISION


def test_packing_saves_most_of_a_decision() -> None:
    assert len(packed(DECISION)) < len(DECISION) / 5


def test_bytes_that_nobody_packed_are_damage() -> None:
    with pytest.raises(UnavailableError) as refused:
        unpacked(b"no content of ours")
    assert refused.value.code == "document.damaged"
