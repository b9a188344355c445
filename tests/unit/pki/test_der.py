"""DER: what we write others read, and what DER forbids we do not read."""

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import example, given
from hypothesis import strategies as st

from pki import der
from pki.errors import DerError


@given(st.integers(min_value=-(2**200), max_value=2**200))
def test_an_integer_is_minimal_and_reads_back(value: int) -> None:
    """X.690 section 8.3.2: the first nine bits are not all equal."""
    content = der.whole(der.integer(value), der.INTEGER).content
    assert int.from_bytes(content, "big", signed=True) == value
    assert len(content) == 1 or content[0] not in {0x00, 0xFF} or (content[0] ^ content[1]) & 0x80


@given(st.binary(max_size=70_000))
def test_an_element_reads_back(content: bytes) -> None:
    assert der.whole(der.octet_string(content), der.OCTET_STRING).content == content


@pytest.mark.parametrize("dotted", ["2.5.4.3", "1.2.840.113549.1.1.11", "2.23.133.5.4.1", "1.3.6.1.4.1.11591.4.11"])
def test_an_object_identifier_is_the_one_that_others_read(dotted: str) -> None:
    assert x509.ExtendedKeyUsage([x509.ObjectIdentifier(dotted)]).public_bytes() == der.sequence(der.oid(dotted))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x05\x00",
        b"\x30\x80\x00\x00",
        b"\x30\x81\x05" + bytes(5),
        b"\x30\x82\x00\x85" + bytes(0x85),
        b"\x30\x84\x00\x00\x00\x01\x00",
        b"\x1f\x81\x01\x00",
    ],
    ids=["empty", "no-length", "cut", "indefinite", "long-form-of-5", "leading-zero", "four-octets", "high-tag"],
)
def test_what_der_forbids_is_not_read(data: bytes) -> None:
    """X.690 section 10.1."""
    with pytest.raises(DerError):
        der.read(data)


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(DerError):
        der.whole(der.integer(5) + b"\x00", der.INTEGER)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        element, end = der.read(data)
    except DerError:
        return
    assert data[:end] == element.encoded


@given(st.binary(max_size=4), st.sampled_from([0, 5, 127, 128, 255, 256, 300, 65_536]), st.binary(max_size=4))
@example(b"", 128, b"")
@example(b"\x05\x00", 256, b"\x05")
def test_where_elements_are_is_where_they_are_read(before: bytes, size: int, after: bytes) -> None:
    """X.690 section 8.1.3: short lengths and those of two octets are read by a way of their own."""
    content = before + der.octet_string(bytes(size)) + after
    assert spans_of(b"\xff" + content + b"\x01") == children_of(content)


def spans_of(data: bytes) -> object:
    try:
        found = der.spans(data, 1, len(data) - 1)
    except DerError:
        return "refused"
    return [(data[begin], data[start:end], data[begin:end]) for begin, start, end in found]


def children_of(content: bytes) -> object:
    try:
        return [tuple(each) for each in der.children(content)]
    except DerError:
        return "refused"


@given(st.frozensets(st.integers(min_value=0, max_value=8), min_size=1))
def test_named_bits_end_with_a_one(positions: frozenset[int]) -> None:
    """X.690 section 11.2.2."""
    content = der.whole(der.named_bits(positions), der.BIT_STRING).content
    unused, value = content[0], int.from_bytes(content[1:], "big")
    assert value >> unused & 1
    width = 8 * (len(content) - 1)
    assert {bit for bit in range(width) if value >> (width - 1 - bit) & 1} == set(positions)
