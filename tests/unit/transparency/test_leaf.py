"""Log leaves (RFC 6962 section 2.1)."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policyengine.model.canonical import NotCanonicalError, canonical
from policyengine.transparency.leaf import entry, leaf_hash, make_leaf
from policyengine.transparency.merkle import tree_hash

RECORD = {"device": "gw-1", "decision": "sha256:00"}


def test_leaf_hash_is_the_rfc_6962_hash_of_an_empty_leaf() -> None:
    """RFC 6962 section 2.1.1: SHA-256(0x00 || leaf); the value is that of the empty leaf."""
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def test_tree_hash_of_nothing_is_the_hash_of_nothing() -> None:
    """RFC 6962 section 2.1."""
    assert tree_hash([]) == hashlib.sha256(b"").digest()


def test_tree_of_three_leaves_is_split_after_the_second() -> None:
    """RFC 6962 section 2.1: k is the largest power of two smaller than n."""
    first, second, third = (leaf_hash(bytes([number])) for number in range(3))
    pair = hashlib.sha256(b"\x01" + first + second).digest()
    assert tree_hash([first, second, third]) == hashlib.sha256(b"\x01" + pair + third).digest()


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=2, max_size=40), st.data())
def test_any_changed_leaf_changes_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(min_value=0, max_value=len(leaves) - 1))
    changed = [*leaves[:at], bytes(32 * [leaves[at][0] ^ 1]), *leaves[at + 1 :]]
    assert tree_hash(changed) != tree_hash(leaves)


def test_public_entry_does_not_name_the_device() -> None:
    """DESIGN section 12: leaves are salted commitments."""
    leaf = make_leaf(index=0, at_us=1, kind="decision", record=RECORD, seed=b"seed")
    assert b"gw-1" not in entry(at_us=1, kind="decision", record=leaf.record, salt=leaf.salt)


@given(at=st.integers(-(2**53) + 1, 2**53 - 1), kind=st.text(st.characters(codec="utf-8")))
@settings(derandomize=True)
def test_an_entry_is_canonical_json(at: int, kind: str) -> None:
    """RFC 8785: whoever reads the entry and writes it again has the bytes that were hashed."""
    written = entry(at_us=at, kind=kind, record=b"{}", salt=b"s")
    assert canonical(json.loads(written)) == written


@pytest.mark.parametrize("at", [True, "1", 1.0, None, 2**53])
def test_a_time_that_is_no_number_of_microseconds_makes_no_entry(at: object) -> None:
    with pytest.raises(NotCanonicalError):
        entry(at_us=at, kind="act", record=b"{}", salt=b"s")  # type: ignore[arg-type]


def test_record_and_salt_open_the_commitment() -> None:
    leaf = make_leaf(index=7, at_us=1, kind="decision", record=RECORD, seed=b"seed")
    assert leaf_hash(entry(at_us=1, kind="decision", record=leaf.record, salt=leaf.salt)) == leaf.leaf_hash


def test_equal_records_have_different_salts() -> None:
    """Otherwise an outsider could guess a record and find it."""
    first, second = (make_leaf(index=at, at_us=1, kind="act", record=RECORD, seed=b"seed") for at in (1, 2))
    assert first.salt != second.salt
