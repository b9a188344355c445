"""JSON without room for two readings (RFC 8259, RFC 7493)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.model.strict_json import MAX_DEPTH, InvalidJsonError, read_json


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"a": 1, "a": 2}', "json.duplicate-key"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "json.duplicate-key"),
        (b"NaN", "json.number"),
        (b"[-Infinity]", "json.number"),
        (b"1" * 5000, "json.number"),
        (b"\xef\xbb\xbf{}", "json.encoding"),
        (b'"\xff"', "json.encoding"),
        (b"{} {}", "json.syntax"),
        (b"", "json.syntax"),
        (b"'a'", "json.syntax"),
        (b"[" * 100_000, "json.too-deep"),
        (b'{"a":' * (MAX_DEPTH + 1), "json.too-deep"),
        (b" " * (5 * 1024 * 1024), "json.too-large"),
    ],
)
def test_what_is_not_one_strict_document_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InvalidJsonError) as caught:
        read_json(content)
    assert caught.value.code == code


def test_brackets_in_text_are_no_depth() -> None:
    assert read_json(json.dumps("[" * 1000).encode()) == "[" * 1000


def test_a_string_that_never_ends_is_read_once() -> None:
    """Service ceilings section 7, line 18: each quote in it must not start a search to the end of the body."""
    for ending in (b"", b"\\"):
        content = b"[" + b"[]," * MAX_DEPTH + b'"[' + b'\\"[' * 150_000 + ending
        with pytest.raises(InvalidJsonError) as caught:
            read_json(content)
        assert caught.value.code == "json.syntax", "brackets inside the string are no depth"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_a_strict_document_reads_as_itself(value: object) -> None:
    assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        read_json(content)
    except InvalidJsonError as error:
        assert error.code.startswith("json.")
