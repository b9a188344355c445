"""The components of a PSA token: what devices that run the same have said before is not read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policyengine.attestation.psa import claims as psa_claims
from policyengine.attestation.psa.facts import add_facts
from policyengine.attestation.psa.software import MAX_KEPT, Inventory, inventory, read_anew
from policyengine.model.endorsements import Endorser, ReferenceComponent, ReferenceValues, Release

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SOUND = {psa_claims.TYPE: "SPE", psa_claims.VALUE: b"\x01" * 32, psa_claims.SIGNER: b"\x02" * 32}


def test_components_said_before_are_read_once() -> None:
    assert inventory([SOUND]) is inventory([dict(SOUND)])


def test_the_order_of_claims_in_a_component_changes_nothing() -> None:
    turned = dict(reversed(SOUND.items()))
    assert inventory([turned]).measured == inventory([SOUND]).measured == (("SPE", "01" * 32),)


def test_values_that_are_equal_and_not_the_same_are_told_apart() -> None:
    """In Python 1 == True; what a refusal says was seen must be what this device sent (RFC 9783 section 4.4.1)."""
    problems = [inventory([SOUND | {psa_claims.VERSION: version}]).problem for version in (1, True)]
    assert problems == ["component 0: version is 1", "component 0: version is True"]


def test_a_component_with_more_than_we_know_is_read_all_the_same() -> None:
    """RFC 9783 section 5.1.3: what is not known is no error, whatever type it has."""
    found = inventory([SOUND | {99: [1, {2: b""}]}])
    assert (found.problem, found.measured) == (None, (("SPE", "01" * 32),))


# Few values, so that lists with the same digests and other signers, versions, types or keys follow each other often.
_DIGESTS = st.sampled_from([b"\x01" * 32, b"\x02" * 32])
_ODD = st.sampled_from(["1.0", "1.0\x00", b"1.0", 1, True, None, b"\x01" * 32])
_COMPONENTS = st.lists(
    st.fixed_dictionaries(
        {psa_claims.VALUE: _DIGESTS | _ODD, psa_claims.SIGNER: _DIGESTS},
        optional={psa_claims.TYPE: st.sampled_from(["SPE", "NSPE"]) | _ODD, psa_claims.VERSION: _ODD, 99: _ODD},
    )
    | _ODD,
    min_size=1,
    max_size=3,
)


@given(st.lists(_COMPONENTS, min_size=1, max_size=6))
@settings(max_examples=150)
def test_what_was_read_before_changes_no_reading(lists: list[list[Any]]) -> None:
    """Differential: the inventory kept for a list and the one read anew say the same, whatever came in between."""
    for components in lists * 2:
        found, anew = inventory(components), read_anew(components)
        assert (found.problem, found.rows, found.measured) == (anew.problem, anew.rows, anew.measured)


def test_what_a_caller_does_to_claims_later_changes_no_reading() -> None:
    said = [dict(SOUND)]
    inventory(said)
    said[0][psa_claims.VERSION] = "9.9"
    assert inventory([SOUND | {psa_claims.VERSION: "9.9"}]).rows[0]["version"] == "9.9"


@pytest.mark.parametrize("component", ["SPE", b"SPE!", "", 7, None, [], [1, 2, 3], {}, {psa_claims.VALUE: []}])
def test_what_is_no_component_is_a_problem(component: object) -> None:
    """RFC 9783 section 4.4.1: a map with a measurement value and a signer id."""
    problem = inventory([component]).problem
    assert problem is not None
    assert problem.startswith("component 0: ")


def test_no_device_fills_the_memory() -> None:
    first = inventory([SOUND])
    for number in range(MAX_KEPT):
        inventory([SOUND | {psa_claims.VALUE: number.to_bytes(32, "big")}])
    assert inventory([SOUND]) is not first


def release(version: str, *, until: datetime | None = None, svn: int = 1, signer: str = "acme") -> Release:
    listed = ReferenceComponent(name="SPE", sha256="01" * 32)
    endorser = Endorser(party=signer, valid_until=NOW + timedelta(days=1), class_id="00" * 32)
    return Release(version=version, svn=svn, components=(listed,), until=until, endorser=endorser)


Turn = tuple[ReferenceValues | None, datetime]
_REFERENCES = st.sampled_from(
    [
        None,
        *(
            ReferenceValues(models=("gw-200",), releases=releases)
            for releases in (
                (),
                (release("1"),),
                (release("1"),),
                (release("1", until=NOW),),
                (release("2", svn=2, signer="other"),),
                (release("1"), release("2", svn=2)),
                (release("1", until=NOW), release("2", svn=2)),
            )
        ),
    ]
)
_TIMES = st.sampled_from([NOW - timedelta(days=1), NOW, NOW + timedelta(days=2)])


@given(st.lists(st.tuples(_REFERENCES, _TIMES), min_size=1, max_size=6))
@settings(max_examples=150)
def test_what_devices_of_one_release_share_changes_no_fact(
    turns: list[tuple[ReferenceValues | None, datetime]],
) -> None:
    """Differential: an inventory that was compared before gives the facts that it gives the first time.

    Whatever release, other signer or end of validity it was compared with in between (RFC 9334 section 8.3).
    """
    shared = read_anew([SOUND])
    for references, now in turns * 2:
        assert facts(shared, references, now) == facts(read_anew([SOUND]), references, now)


def facts(found: Inventory, references: ReferenceValues | None, now: datetime) -> dict[str, object]:
    said: dict[str, object] = {}
    add_facts(
        said,
        {psa_claims.LIFECYCLE: 0x3000, psa_claims.IMPLEMENTATION_ID: bytes(32)},
        found,
        endorsements=references,
        now=now,
    )
    return said
