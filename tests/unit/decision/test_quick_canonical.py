"""The quick writer of canonical JSON gives the bytes of the slow one, whatever it is given."""

from __future__ import annotations

from datetime import UTC, timedelta
from types import MappingProxyType

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from policyengine.decision.facts_json import json_value, quick_canonical
from policyengine.model.canonical import MAX_INTEGER, NotCanonicalError, canonical

TEXT = st.text(max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas(timedelta(days=-9), timedelta(days=9))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(TEXT, inner, max_size=4)
        | st.dictionaries(TEXT, inner, max_size=4).map(MappingProxyType)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_quick_bytes_are_the_canonical_bytes(value: object) -> None:
    """RFC 8785 section 3.2: members by UTF-16, numbers as ECMAScript, text with the shortest escapes."""
    assert quick_canonical(value) == canonical(json_value(value)) == rfc8785.dumps(json_value(value))


@pytest.mark.parametrize("code", range(0x80))
def test_each_ascii_character_is_escaped_as_rfc_8785_says(code: int) -> None:
    """RFC 8785 section 3.2.2.2."""
    value = {f"k{chr(code)}": chr(code)}
    assert quick_canonical(value) == canonical(value)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        -0.0,
        1e16,
        1e21,
        1e-7,
        5e-324,
        0.1,
        123456789.125,
        MAX_INTEGER,
        -MAX_INTEGER,
        {"\ue000": 1, "\U0001f600": 2},
    ],
)
def test_numbers_and_names_that_encoders_write_differently_come_out_canonical(value: object) -> None:
    """RFC 8785 sections 3.2.2.3 and 3.2.3."""
    assert quick_canonical({"in": [value]}) == canonical({"in": [value]})


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", {"\udfff": 1}, b"bytes", {1, 2}, object()]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonicalError):
        quick_canonical({"in": [value]})
