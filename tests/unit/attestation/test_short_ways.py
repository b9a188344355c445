"""What is read by a shorter way for most devices, beside a slow and obvious reader: on any bytes the two say the same.

A short way may be narrower than the general one and never wider: what it takes, the general way takes, and finds the
same in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.psa import claims as psa_claims
from policyengine.attestation.psa.software import inventory
from policyengine.attestation.tpm.structures import Quoted, read_attest, read_signature
from policyengine.simulation import tpm
from tests.unit.attestation.tpm_device import AK, NONCE, VALUES

QUOTE, SIGNATURE = tpm.quote(AK, nonce=NONCE, values=VALUES)
REFUSED = "refused"
LONGEST = 4096  # TPM buffers end there


class Cursor:
    """Reads big-endian fields; raises IndexError past the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        self.at += size
        if self.at > len(self.data):
            raise IndexError
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self, limit: int, *, prefix: int = 2) -> bytes:
        size = self.number(prefix)
        if size > limit:
            raise IndexError
        return self.take(size)


def obvious_quote(data: bytes) -> object:
    """Return a TPMS_ATTEST with a TPMS_QUOTE_INFO, field by field (TPM 2.0 Part 2 sections 10.12.12 and 10.12.4)."""
    cursor = Cursor(data)
    origin = (cursor.number(4), cursor.number(2), cursor.sized(66), cursor.sized(66))
    state = [cursor.number(size) for size in (8, 4, 4, 1, 8)]
    banks = cursor.number(4)
    selections = [obvious_selection(cursor) for _ in range(min(banks, 17))]
    digest = cursor.sized(64)
    if cursor.at != len(data) or len(data) > LONGEST or state[3] > 1 or banks > 16:
        raise IndexError
    return (*origin, *state, selections, digest)


def obvious_selection(cursor: Cursor) -> tuple[int, list[int]]:
    hash_, bitmap = cursor.number(2), cursor.sized(4, prefix=1)
    return hash_, [8 * at + bit for at, byte in enumerate(bitmap) for bit in range(8) if byte >> bit & 1]


def fields(data: bytes) -> object:
    """Return what `read_attest` finds, in the order of the fields."""
    found = read_attest(data)
    assert isinstance(found.body, Quoted)
    selections = [(each.hash, list(each.pcrs)) for each in found.body.selections]
    return (*found[:-1], selections, found.body.pcr_digest)


def obvious_signature(data: bytes) -> tuple[int, int, tuple[bytes, ...]]:
    """Return scheme, hash, r and s of an ECDSA TPMT_SIGNATURE (TPM 2.0 Part 2 section 11.3.4)."""
    cursor = Cursor(data)
    found = (cursor.number(2), cursor.number(2), (cursor.sized(66), cursor.sized(66)))
    if cursor.at != len(data):
        raise IndexError
    return found


def outcome(read: Any, data: bytes) -> object:
    try:
        return read(data)
    except (MalformedEvidenceError, IndexError):
        return REFUSED


def changed(whole: bytes) -> Iterator[bytes]:
    """Yield `whole` with each byte but its type's replaced, removed or doubled: the type decides who reads the rest."""
    for at in range(6, len(whole)):
        yield from (whole[:at] + bytes((byte,)) + whole[at + 1 :] for byte in (0, 1, 2, 31, 33, 127, 255))
        yield whole[:at] + whole[at + 1 :]
        yield whole[: at + 1] + whole[at:]


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw `whole` with some bytes replaced, removed or added, as above."""
    at = draw(st.integers(6, len(whole)))
    return whole[:at] + draw(st.binary(max_size=4)) + whole[at + draw(st.integers(0, 4)) :]


def test_a_usual_quote_with_any_byte_changed_is_read_as_field_by_field() -> None:
    assert [data.hex() for data in changed(QUOTE) if outcome(fields, data) != outcome(obvious_quote, data)] == []


@given(data=damaged(QUOTE))
def test_a_damaged_quote_is_read_as_field_by_field(data: bytes) -> None:
    assert outcome(fields, data) == outcome(obvious_quote, data)


def test_a_usual_signature_with_any_byte_changed_is_read_as_field_by_field() -> None:
    wrong = [data for data in changed(SIGNATURE) if outcome(read_signature, data) != outcome(obvious_signature, data)]
    assert wrong == []


@given(data=damaged(SIGNATURE))
def test_a_damaged_signature_is_read_as_field_by_field(data: bytes) -> None:
    assert outcome(read_signature, data) == outcome(obvious_signature, data)


VALUE = st.one_of(
    st.sampled_from([bytes(32), bytes(48), bytes(31), b"", "sha-256", "SPE", "", "a\x00b", "x" * 1025]),
    st.sampled_from([1, True, None, 0, False]),
)
COMPONENT = st.dictionaries(
    st.sampled_from(
        [psa_claims.TYPE, psa_claims.VALUE, psa_claims.VERSION, psa_claims.SIGNER, psa_claims.DESCRIPTION, 99]
    ),
    VALUE,
)
SOUND = {psa_claims.VALUE: bytes(32), psa_claims.SIGNER: bytes(48)}


@given(st.lists(COMPONENT.map(lambda drawn: SOUND | drawn), max_size=3))
def test_remembered_components_are_those_that_are_read_each_time(components: list[Mapping[Any, Any]]) -> None:
    """RFC 9783 section 5.1.3: an unknown claim changes nothing, and with an array in it nothing is remembered."""
    read_each_time = [{**component, 98: []} for component in components]
    assert inventory(components) == inventory(read_each_time)
