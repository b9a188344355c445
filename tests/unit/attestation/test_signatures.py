"""What signatures are turned into before `cryptography` sees them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import example, given
from hypothesis import strategies as st

from policyengine.attestation.signatures import ecdsa_der

NUMBERS = st.integers(0, 8).flatmap(lambda zeros: st.binary(max_size=66 - zeros).map(lambda end: bytes(zeros) + end))


@given(r=NUMBERS, s=NUMBERS)
@example(r=b"", s=bytes(32))
@example(r=b"\xff" * 66, s=b"\xff" * 66)
@example(r=b"\x7f" * 62, s=b"\x7f" * 61)
@example(r=b"\x7f" * 62, s=b"\x7f" * 62)
def test_two_numbers_are_the_value_that_cryptography_makes_of_them(r: bytes, s: bytes) -> None:
    """RFC 3279 section 2.2.3, in the one form of DER: minimal numbers, none of them below zero, a minimal length."""
    assert ecdsa_der(r, s) == encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


@pytest.mark.parametrize("size", [32, 48, 66])
def test_zeros_stay_numbers(size: int) -> None:
    """Zero is no number of a signature, which is for the verification to say: the encoding must not fail before."""
    assert ecdsa_der(bytes(size), bytes(size)) == bytes.fromhex("3006020100020100")
