"""The components of a PSA token: what devices that run the same have said before is not read again."""

from __future__ import annotations

from policyengine.attestation.psa import claims as psa
from policyengine.attestation.psa.software import inventory

SOUND = {psa.TYPE: "SPE", psa.VALUE: b"\x01" * 32, psa.SIGNER: b"\x02" * 32}


def test_components_said_before_are_read_once() -> None:
    assert inventory([SOUND]) is inventory([dict(SOUND)])


def test_the_order_of_claims_in_a_component_changes_nothing() -> None:
    turned = dict(reversed(SOUND.items()))
    assert inventory([turned]).measured == inventory([SOUND]).measured == (("SPE", "01" * 32),)


def test_values_that_are_equal_and_not_the_same_are_told_apart() -> None:
    """In Python 1 == True; what a refusal says was seen must be what this device sent (RFC 9783 section 4.4.1)."""
    problems = [inventory([SOUND | {psa.VERSION: version}]).problem for version in (1, True)]
    assert problems == ["component 0: version is 1", "component 0: version is True"]


def test_a_component_with_more_than_we_know_is_read_all_the_same() -> None:
    """RFC 9783 section 5.1.3: what is not known is no error, whatever type it has."""
    found = inventory([SOUND | {99: [1, {2: b""}]}])
    assert (found.problem, found.measured) == (None, (("SPE", "01" * 32),))
