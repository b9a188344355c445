"""The one door for CBOR: what it lets through, what it refuses, and that the slow reader agrees."""

from __future__ import annotations

import time
from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.attestation import cbor
from policyengine.attestation.cbor_scan import MAX_BYTES, MAX_DEPTH, MAX_ITEMS, refusal
from policyengine.attestation.errors import MalformedEvidenceError

read = cbor.reader()
read_tagged = cbor.reader(1, 18)

SCALARS = (
    st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=10)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 300) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def refused(data: bytes, reader: cbor.Reader = read) -> str:
    with pytest.raises(MalformedEvidenceError) as caught:
        reader(data)
    return caught.value.code


@given(VALUES)
def test_what_an_encoder_writes_comes_back(value: object) -> None:
    assert read(cbor2.dumps(value)) == value


def acceptable(data: bytes) -> bool:
    """Return whether the slow reader finds nothing to refuse."""
    return refusal(data, frozenset({1, 18}))[0] == "cbor.invalid"


@given(st.binary(max_size=64))
def test_the_fast_door_and_the_slow_reader_agree_on_random_bytes(data: bytes) -> None:
    assert lets_through(data) == acceptable(data)


@given(VALUES, st.data())
def test_the_fast_door_and_the_slow_reader_agree_on_damaged_items(value: object, data: st.DataObject) -> None:
    damaged = bytearray(cbor2.dumps(value))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert lets_through(bytes(damaged)) == acceptable(bytes(damaged))


def lets_through(data: bytes) -> bool:
    try:
        read_tagged(data)
    except MalformedEvidenceError:
        return False
    return True


@given(VALUES, st.binary(min_size=1, max_size=1100))
def test_bytes_after_the_item_are_refused(value: object, tail: bytes) -> None:
    assert refused(cbor2.dumps(value) + tail, read_tagged) == "cbor.trailing"


@pytest.mark.parametrize("size", [1, 2, 3, 10, 90, 999, 1000, 1001, 23040])
@pytest.mark.parametrize(
    "header", ["58", "59", "5900", "5a", "5a00", "5a000000", "5b", "5b00000000000000", "5b000000000000"]
)
def test_a_tail_that_reaches_into_the_end_mark_is_refused(header: str, size: int) -> None:
    """The mark that follows the data must not be mistaken for part of a second item."""
    item = b"\x59" + size.to_bytes(2, "big") + bytes(size)
    assert refused(item + bytes.fromhex(header)) == "cbor.trailing"


@pytest.mark.parametrize("announced", [1001, 1004, 1005, 90, 23040])
def test_a_tail_that_announces_the_length_of_the_end_mark_is_refused(announced: int) -> None:
    assert refused(b"\x00\x5a" + announced.to_bytes(4, "big")) == "cbor.trailing"


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("cbor.empty", ""),
        ("cbor.truncated", "18"),
        ("cbor.truncated", "5b7fffffffffffffff"),
        ("cbor.truncated", "9b7fffffffffffffff"),
        ("cbor.truncated", "bb7fffffffffffffff"),
        ("cbor.trailing", "0000"),
        ("cbor.indefinite", "9fff"),
        ("cbor.indefinite", "5f4101ff"),
        ("cbor.indefinite", "ff"),
        ("cbor.reserved", "1c"),
        ("cbor.duplicate-key", "a201000100"),
        ("cbor.duplicate-key", "a20100190001f6"),
        ("cbor.key-type", "a1f500"),
        ("cbor.key-type", "a1f93c0000"),
        ("cbor.key-type", "a1410000"),
        ("cbor.key-type", "a1800000"),
        ("cbor.key-type", "a1a00000"),
        ("cbor.key-type", "a1f600"),
        ("cbor.tag", "c24101"),
        ("cbor.tag", "d81c80"),
        ("cbor.tag", "82d81c80d81d00"),
        ("cbor.tag", "d8236161"),
        ("cbor.tag", "c482391388f6"),
        ("cbor.tag", "d9010080"),
        ("cbor.tag", "d9d9f700"),
        ("cbor.tag", "d903e700"),
        ("cbor.utf8", "61ff"),
        ("cbor.utf8", "63eda080"),
        ("cbor.simple", "f7"),
        ("cbor.simple", "e0"),
        ("cbor.simple", "f820"),
        ("cbor.simple", "f814"),
        ("cbor.float", "f97e00"),
        ("cbor.float", "fb7ff0000000000000"),
        ("cbor.float", "81fb7ff8000000000000"),
    ],
)
def test_each_leniency_is_refused_with_its_code(code: str, data: str) -> None:
    """RFC 8949 sections 3 and 5; RFC 9783 section 5.1.1."""
    assert refused(bytes.fromhex(data)) == code


def test_a_refusal_names_the_byte() -> None:
    with pytest.raises(MalformedEvidenceError, match=r"a map key is repeated \(byte 3\)") as caught:
        read(bytes.fromhex("a201000100"))
    assert caught.value.fields["offset"] == 3


def test_depth_is_bounded() -> None:
    inner = b"\x81" * MAX_DEPTH
    assert refused(b"\x81" + inner + b"\x00") == "cbor.depth"
    assert read(inner + b"\x00") is not None


def test_size_is_bounded() -> None:
    largest = b"\x5a" + (MAX_BYTES - 5).to_bytes(4, "big") + bytes(MAX_BYTES - 5)
    assert len(read(largest)) == MAX_BYTES - 5
    assert refused(largest + b"\x00") == "cbor.size"


@pytest.mark.parametrize(("number", "data"), [(0, "1800"), (0, "1b0000000000000000"), (10, "19000a")])
def test_longer_encodings_of_a_number_are_accepted(number: int, data: str) -> None:
    """RFC 9783 section 5.1.1: the verifier tolerates encodings that are not preferred."""
    assert read(bytes.fromhex(data)) == number


def test_an_allowed_tag_stays_inert() -> None:
    """Tag 1 is a time elsewhere; here it is a number with a tag, so that no date arithmetic runs on evidence."""
    assert read_tagged(bytes.fromhex("c11a514b67b0")) == cbor2.CBORTag(1, 1363896240)


def test_third_party_hardening_cases_are_refused_quickly(vectors: Path) -> None:
    cases = sorted((vectors / "attestation" / "cbor-hardening").glob("*/in.cbor"))
    for case in cases:
        data, start = case.read_bytes(), time.process_time()
        assert refused(data).startswith("cbor."), case
        # A bound set by whoever made the vectors, 500 times what we take: not a measurement.
        assert time.process_time() - start < 0.05, case
    assert len(cases) == 11


@pytest.mark.parametrize("element", [b"\x80", b"\xa0", b"\xd2\x00"], ids=["arrays", "maps", "tags"])
def test_more_containers_than_any_evidence_has_are_refused_unseen(element: bytes) -> None:
    """64 KiB of empty containers took the door longer than a decode may take (50 ms)."""
    count = MAX_ITEMS + 1
    assert refused(b"\x99" + count.to_bytes(2, "big") + element * count, read_tagged) == "cbor.items"


def test_as_many_containers_as_the_limit_are_read() -> None:
    count = MAX_ITEMS - 1  # and the array around them
    assert len(read(b"\x99" + count.to_bytes(2, "big") + b"\x80" * count)) == count
