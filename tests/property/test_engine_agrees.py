"""The generated engine and the slow interpreter give every condition the same outcome on every device."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policyengine.decision.generated import write_conditions
from policyengine.decision.space import Space
from policyengine.model.expression import Node
from policyengine.model.version import key_function
from tests.property.oracle import Oracle
from tests.property.random_rules import NOW, Rules, facts
from tests.support.seed import seed

SEMVER = key_function("semver")
COMPLETE_GROUPS = ("boot", "net", "software", "device")


class _Complete(dict[str, bool]):
    def __init__(self, groups: frozenset[str]) -> None:
        super().__init__()
        self.groups = groups

    def __missing__(self, path: str) -> bool:
        return path.partition(".")[0] in self.groups


def engine(conditions: list[Node]) -> Callable[..., Any]:
    space = Space()
    name = write_conditions(space, conditions)
    return space.load()[name]


def disagreements(random: Random, rules: int, devices: int) -> tuple[int, list[str]]:
    """Return how many outcomes were compared, and those that differ."""
    conditions = [Rules(random).condition() for _ in range(rules)]
    evaluate, differing, compared = engine(conditions), list[str](), 0
    for _ in range(devices):
        device = facts(random, random.choice((0.0, 0.1, 0.5)))
        complete = _Complete(frozenset(group for group in COMPLETE_GROUPS if random.random() < 0.5))
        oracle = Oracle(device, complete.__getitem__, NOW)
        answers = evaluate(device, complete, NOW, SEMVER)
        for node, answer in zip(conditions, answers, strict=True):
            compared += 1
            seen = None if isinstance(answer, str) else answer
            wanted = oracle.outcome(node)
            if seen is not wanted:
                differing.append(f"{node}\non {device}, complete {complete.groups}\nsays {answer}, should be {wanted}")
    return compared, differing


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_a_random_condition_means_what_the_interpreter_says(drawn: int) -> None:
    _, differing = disagreements(Random(drawn), rules=1, devices=4)
    assert differing == []


@pytest.mark.parametrize("round_", range(8))
def test_many_conditions_on_many_devices_agree(round_: int) -> None:
    drawn = seed() + round_
    compared, differing = disagreements(Random(drawn), rules=250, devices=10)
    assert compared == 2500
    assert not differing, f"seed {drawn}: {len(differing)} of {compared} differ, first: {differing[0]}"
