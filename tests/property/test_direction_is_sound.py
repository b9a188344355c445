"""What is called tighter lets nothing pass that did not pass before; what is called looser stops nothing."""

from __future__ import annotations

from random import Random

import pytest

from policyengine.analysis.condition_direction import Comparison
from policyengine.analysis.condition_mutants import mutants_of
from policyengine.analysis.direction import Direction
from policyengine.model.expression import And, Node, Or
from policyengine.model.policy import Model
from policyengine.model.types import BOOL
from tests.property.random_rules import NOW, Rules, facts
from tests.property.test_engine_agrees import COMPLETE_GROUPS, SEMVER, _Complete, engine

SEMVER_MODEL = Model(name="m", vendor="v", device_class="c", version_scheme="semver")
COMPARISON = Comparison(models=(SEMVER_MODEL,))
SEEDS = (1, 20261127, 77)
CONDITIONS, DEVICES = 60, 25


def changed(random: Random) -> list[tuple[Node, Node, Direction]]:
    """Return random conditions beside what they were changed to, where the direction was decided."""
    rules, found = Rules(random), list[tuple[Node, Node, Direction]]()
    for _ in range(CONDITIONS):
        old, extra = rules.condition(3), rules.condition(2)
        candidates = [change.condition for change in mutants_of(old)]
        candidates += [And(operands=(old, extra), type=BOOL), Or(operands=(extra, old), type=BOOL)]
        for new in candidates:
            direction = COMPARISON.direction(old, new)
            if direction in (Direction.TIGHTER, Direction.LOOSER):
                found.append((old, new, direction))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_decided_direction_holds_on_every_device(seed: int) -> None:
    random = Random(seed)
    pairs = changed(random)
    assert len(pairs) > 2 * CONDITIONS
    evaluate = engine([node for old, new, _ in pairs for node in (old, new)])
    for _ in range(DEVICES):
        device = facts(random, random.choice((0.0, 0.1, 0.5)))
        complete = _Complete(frozenset(group for group in COMPLETE_GROUPS if random.random() < 0.5))
        answers = evaluate(device, complete, NOW, SEMVER)
        for (old, new, direction), before, after in zip(pairs, answers[::2], answers[1::2], strict=True):
            stricter, other = (after, before) if direction is Direction.TIGHTER else (before, after)
            assert other is True or stricter is not True, f"seed {seed}: {direction}\n{old}\n{new}\n{device}"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_way_back_is_the_opposite_direction(seed: int) -> None:
    for old, new, direction in changed(Random(seed)):
        assert COMPARISON.direction(new, old) in (direction.opposite(), Direction.UNDECIDED)
