"""A bounded run of every fuzz target; `make fuzz` runs longer and prints a table."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import begun, run
from tests.fuzz.targets import TARGETS, Target

EXAMPLES = 150


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_but_malformed_evidence_escapes_a_door(target: Target) -> None:
    """Every byte string gives a verdict or MalformedEvidenceError, within 50 ms and 50 MB."""
    assert run(target, examples=EXAMPLES).decodes > EXAMPLES / 2


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_seeds_are_good(target: Target) -> None:
    """A campaign that begins with refused evidence would never get behind the first check."""
    assert begun(target).verdicts.keys() <= {"accepted", "read"}


def _leaks(evidence: bytes) -> object:
    return {0: "zero"}[evidence[0]]


def test_a_door_that_leaks_another_error_is_found() -> None:
    with pytest.raises(KeyError):
        run(Target(name="leaks", seeds=(bytes(8),), decode=_leaks), examples=200)


def _hoards(evidence: bytes) -> object:
    return len(bytes(60_000_000)) if evidence else None


def test_a_door_that_takes_too_much_memory_is_found() -> None:
    with pytest.raises(AssertionError, match="of memory"):
        run(Target(name="hoards", seeds=(bytes(8),), decode=_hoards), examples=20)


def _dawdles(evidence: bytes) -> object:
    return sum(range(4_000_000)) if evidence else None


def test_a_door_that_takes_too_long_is_found() -> None:
    with pytest.raises(AssertionError, match=" ms for "):
        run(Target(name="dawdles", seeds=(bytes(8),), decode=_dawdles), examples=20)
