"""Planted defects of the translator: each one has to be found by the comparison with the slow interpreter."""

from __future__ import annotations

import re
from random import Random

import pytest

from policyengine.decision.generated import write_conditions
from policyengine.decision.space import Space
from tests.property.oracle import Oracle
from tests.property.random_rules import NOW, Rules, facts
from tests.property.test_engine_agrees import COMPLETE_GROUPS, SEMVER, _Complete

MUTANTS = {
    "conjunction forgets what failed": (r"return True if e is None else e", "return True"),
    "disjunction forgets what failed": (r"return False if e is None else e", "return False"),
    "absent operand counts as decided": (r"e = e or 'fact\.absent'", "pass"),
    "failed operand counts as decided": (r"e = e or why\(x\)", "pass"),
    "nested unknown counts as decided": (r"if type\(t\) is str: e = e or t", "pass"),
    "quantifier without witness ignores incompleteness": (r"K\['[a-z._]+'\] or P\(\)$", "True"),
    "nested quantifier ignores incompleteness": (r"\(K\['[a-z._]+'\] or P\(\)\)", "True"),
    "exact quantifier ignores incompleteness": (r"if not K\[.*\]: return 'fact\.incomplete'", "pass"),
    "has turns absence into false": (r"or A\(K, '[a-z._]+'\)", "or False"),
    "has turns absence into true": (r"or A\(K, '[a-z._]+'\)", "or True"),
    "partial collection counts as whole": (r"W\((.*?), K, '[a-z._]+'\)", r"(\1)"),
    "int64 never overflows": (r"\bi64\(", "("),
    "greater-equal is greater": (r" >= ", " > "),
    "less is less-equal": (r" < ", " <= "),
    "subtraction adds": (r" - ", " + "),
    "negation is lost": (r"\(not ", "("),
    "membership is inverted": (r"\] in c(\d+)\)", r"] not in c\1)"),
    "bound value loses its failure": (r"V\((v\d+)\)", r"\1"),
    "absent fact fails the rule": (r"except KeyError: (r\d+) = 'fact\.absent'", r"except KeyError: \1 = False"),
    "absent fact passes the rule": (r"except KeyError: (r\d+) = 'fact\.absent'", r"except KeyError: \1 = True"),
    "loop stops with the wrong answer": (r"(r\d+) = True\n(\s+)break", r"\1 = False\n\2break"),
    "first operand decides a conjunction": (r" and ", " or "),
}


def _differences(pattern: str, replacement: str) -> int:
    random = Random(2026)
    conditions = [Rules(random).condition() for _ in range(250)]
    space = Space()
    name = write_conditions(space, conditions)
    space.sources[:] = [re.sub(pattern, replacement, source, flags=re.MULTILINE) for source in space.sources]
    evaluate, found = space.load()[name], 0
    for _ in range(12):
        device = facts(random, 0.15)
        complete = _Complete(frozenset(group for group in COMPLETE_GROUPS if random.random() < 0.5))
        oracle = Oracle(device, complete.__getitem__, NOW)
        try:
            answers = evaluate(device, complete, NOW, SEMVER)
        except (TypeError, AttributeError):
            return found + 1  # the defect shows by itself
        wanted = [oracle.outcome(node) for node in conditions]
        found += sum((None if isinstance(a, str) else a) is not w for a, w in zip(answers, wanted, strict=True))  # type: ignore[call-overload]
    return found


def test_the_translator_as_it_is_agrees() -> None:
    assert _differences("never", "never") == 0


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_defect_is_found(mutant: str) -> None:
    assert _differences(*MUTANTS[mutant]) > 0
