"""Entry bundles as a client of the log reads them (C2SP tlog-tiles)."""

from __future__ import annotations


def bundled_entries(bundle: bytes) -> tuple[bytes, ...]:
    """Return the entries of a bundle; lengths that do not add up are an AssertionError."""
    found, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        each = bundle[at + 2 : at + 2 + length]
        assert len(each) == length, "the bundle ends inside an entry"
        found.append(each)
        at += 2 + length
    return tuple(found)
