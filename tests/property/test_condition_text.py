"""A condition written back as text is the same condition: reports may show the text of any part of it."""

from __future__ import annotations

from random import Random

import pytest

from policyengine.language.cel.environment import ConditionError, Environment
from policyengine.model.expression_text import condition_text
from tests.property.grammar import PARAMS, SCHEMA, Grammar

CONDITIONS = 300
SEEDS = (20261127, 7)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_text_of_a_condition_compiles_to_the_same_condition(seed: int) -> None:
    environment, grammar = Environment.for_facts(SCHEMA, PARAMS), Grammar(Random(seed))
    seen = 0
    while seen < CONDITIONS:
        try:
            node = environment.compile(grammar.condition(4).text).node
        except ConditionError:
            continue  # over the cost limit
        text = condition_text(node)
        assert environment.compile(text).node == node, f"seed {seed}: {text}"
        seen += 1
