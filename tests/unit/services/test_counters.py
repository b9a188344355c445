"""Counters of an attester never go back, whatever its evidence leaves out."""

from __future__ import annotations

import pytest

from policyengine.services.checkins.counters import counted
from policyengine.services.errors import RefusedError
from policyengine.simulation import tpm
from tests.unit.attestation.tpm_device import AK, NONCE, VALUES, appraised, parts


def quoted(resets: int, **changed: object) -> dict[str, object]:
    """Return a check-in of a TPM that was reset so often; `tpm_device.parts` are of one with seven resets."""
    signed = tpm.attest(tpm.QUOTE, tpm.quote_body(VALUES), signer=AK.qualified_name, extra=NONCE, resets=resets)
    return parts(certified=None, **changed) | {"attest": signed, "signature": tpm.sign(AK.private, signed)}


def test_leaving_out_the_ek_does_not_hide_that_the_reset_count_went_back() -> None:
    """The EK in a check-in is not signed; whoever rolls a device back could drop it, and the count with it."""
    before = counted([appraised(quoted(7))], {})
    with pytest.raises(RefusedError) as caught:
        counted([appraised(quoted(6, ek=None, ek_chain=()))], before)
    assert caught.value.fields["check"] == "tpm.reset-count"


def test_a_quote_without_the_ek_counts_on() -> None:
    before = counted([appraised(quoted(7))], {})
    assert counted([appraised(quoted(8, ek=None, ek_chain=()))], before) == {"boot.reset_count": 8}


def test_a_key_that_never_showed_where_it_stands_has_no_reset_count() -> None:
    """TPM 2.0 Part 2 section 10.12.12: elsewhere than below an EK the TPM may obfuscate it."""
    assert counted([appraised(quoted(7, ek=None, ek_chain=()))], {}) == {}
