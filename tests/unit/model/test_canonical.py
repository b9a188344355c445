import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from policyengine.model.canonical import MAX_INTEGER, NotCanonicalError, canonical

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)


@given(_json)
def test_canonical_bytes_equal_those_of_an_independent_implementation(value: object) -> None:
    """RFC 8785, against Trail of Bits' rfc8785."""
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {"a": b"x"}, {1, 2}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonicalError):
        canonical(value)
