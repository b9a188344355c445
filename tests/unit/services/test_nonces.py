"""Nonces without a table (DESIGN section 12; RFC 9334 section 10)."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.model.ids import device_id
from policyengine.services.errors import InvalidRequestError, RefusedError
from policyengine.services.moments import micros, moment
from policyengine.services.nonces import (
    CLOCK_SKEW,
    NONCE_SIZE,
    UNBOUND,
    NonceKey,
    demand_live,
    device_tag,
    make_nonce,
    next_issue,
    open_nonce,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEY = NonceKey(secret=b"k" * 32, epoch=1)
MINUTES = timedelta(minutes=5)


def nonce(*, at: datetime = NOW, tag: bytes = UNBOUND, random: bytes = b"rnd", key: NonceKey = KEY) -> bytes:
    return make_nonce(key, tag=tag, issued_us=micros(at), lifetime=MINUTES, random=random)


def test_nonce_has_a_size_that_psa_tokens_can_carry() -> None:
    """RFC 9783 section 4.1.1: 32, 48 or 64 bytes."""
    assert len(nonce()) == NONCE_SIZE == 48


@given(
    at=st.integers(min_value=0, max_value=2**52).map(moment),
    tag=st.binary(min_size=16, max_size=16),
    seconds=st.integers(min_value=0, max_value=2**24 - 1),
)
def test_opened_nonce_says_what_it_was_made_of(at: datetime, tag: bytes, seconds: int) -> None:
    lifetime = timedelta(seconds=seconds)
    opened = open_nonce(make_nonce(KEY, tag=tag, issued_us=micros(at), lifetime=lifetime, random=b"abc"), key=KEY)
    assert (opened.issued_at, opened.tag, opened.expires_at - opened.issued_at) == (at, tag, lifetime)


@pytest.mark.parametrize("size", [1, 32, 64, 65], ids=lambda size: f"{size} bytes")
def test_nonce_ends_with_the_code_that_the_standard_library_makes(size: int) -> None:
    """RFC 2104 section 2, cut to 16 bytes; a key longer than a block of SHA-256 is hashed first."""
    made = nonce(key=NonceKey(secret=b"s" * size, epoch=1))
    assert made[-16:] == hmac.digest(b"s" * size, made[:-16], "sha256")[:16]


@given(at=st.integers(min_value=0, max_value=NONCE_SIZE - 1), bit=st.integers(min_value=0, max_value=7))
def test_flipped_bit_makes_a_nonce_foreign(at: int, bit: int) -> None:
    changed = bytearray(nonce())
    changed[at] ^= 1 << bit
    with pytest.raises(RefusedError) as refused:
        open_nonce(bytes(changed), key=KEY)
    assert refused.value.code == "nonce.foreign"


@given(raw=st.binary(max_size=100).filter(lambda raw: len(raw) != NONCE_SIZE))
def test_nonce_of_another_size_is_malformed(raw: bytes) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        open_nonce(raw, key=KEY)
    assert refused.value.code == "nonce.malformed"


def test_new_epoch_ends_all_older_nonces() -> None:
    """Service ceilings section 8: restore from an old backup: nonce floors cannot be reused."""
    with pytest.raises(RefusedError):
        open_nonce(nonce(), key=NonceKey(secret=KEY.secret, epoch=2))


def test_nonce_lives_until_just_before_its_end() -> None:
    demand_live(open_nonce(nonce(), key=KEY), now=NOW + MINUTES - timedelta(microseconds=1))


def test_nonce_has_ended_at_the_instant_of_its_end() -> None:
    """DESIGN section 6: every limit is half-open."""
    with pytest.raises(RefusedError) as refused:
        demand_live(open_nonce(nonce(), key=KEY), now=NOW + MINUTES)
    assert refused.value.code == "nonce.expired"


def test_nonce_from_further_ahead_than_clocks_differ_is_refused() -> None:
    ahead = NOW + CLOCK_SKEW + timedelta(microseconds=1)
    with pytest.raises(RefusedError) as refused:
        demand_live(open_nonce(nonce(at=ahead), key=KEY), now=NOW)
    assert refused.value.code == "nonce.future"


def test_ten_thousand_nonces_of_one_device_are_distinct() -> None:
    """Keylime CVE-2026-6420: a nonce that never changes."""
    tag = device_tag(device_id("gw-1"))
    made = {nonce(at=NOW + timedelta(microseconds=step), tag=tag) for step in range(10_000)}
    assert len(made) == 10_000


def test_next_nonce_lies_above_the_floor_even_when_the_clock_went_back() -> None:
    floor = micros(NOW + timedelta(days=1))
    assert next_issue(NOW, floor=floor) == floor + 1


@given(value=st.integers(min_value=0, max_value=2**55))
def test_microseconds_and_moments_are_inverse(value: int) -> None:
    assert micros(moment(value)) == value
