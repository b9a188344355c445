"""Planted defects of the translator and its functions, and how many outcomes of random conditions show each.

`make mutants-cel` prints the table. A defect of the translator is a change of what it writes; a defect of a function
takes the function's place in its table. The slow interpreter is what they differ from.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

from policyengine.decision.functions import FUNCTIONS
from policyengine.decision.generated import write_conditions
from policyengine.decision.space import Space
from policyengine.model.expression import Call, Node, walk
from tests.property import differential
from tests.property.devices import NOW as MOMENT
from tests.property.devices import device
from tests.property.grammar import PARAM_VALUES
from tests.property.oracle import Oracle
from tests.property.random_rules import NOW, Rules, facts
from tests.property.test_engine_agrees import COMPLETE_GROUPS, SEMVER, _Complete

SEED = 2026
WRITTEN: Mapping[str, tuple[str, str]] = {
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
COMPUTED: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "division rounds down": ("_/_", lambda a, b: a // b if b and isinstance(a, int) else FUNCTIONS["_/_"](a, b)),
    "remainder has the divisor's sign": (
        "_%_",
        lambda a, b: a % b if b and isinstance(a, int) else FUNCTIONS["_%_"](a, b),
    ),
    "true equals one": ("_==_", lambda a, b: a == b),
    "integers are cut downwards": (
        "int",
        lambda a: int(a // 1) if isinstance(a, float) and abs(a) < 2**62 else FUNCTIONS["int"](a),
    ),
    "substring counts from the end": ("substring", lambda a, *at: a[slice(*at)]),
    "charAt counts from the end": ("charAt", lambda a, at: a[at] if -len(a) <= at < len(a) else ""),
    "lastIndexOf is indexOf": ("lastIndexOf", FUNCTIONS["indexOf"]),
    "empty text splits into one part": ("split", lambda a, by, *n: a.split(by) if by else (a,)),
    "sort falls": ("sort", lambda a: FUNCTIONS["sort"](a)[::-1]),  # type: ignore[index]
    "distinct keeps all": ("distinct", lambda a: a),
    "sets compare as lists": ("sets.equivalent", FUNCTIONS["_==_"]),
    "halves round to even": ("math.round", lambda a: float(round(a)) if abs(a) < 1e9 else a),
    "right shift keeps the sign": ("math.bitShiftRight", lambda a, by: a >> min(abs(by), 64)),
    "months count from one": ("getMonth", lambda *a: FUNCTIONS["getMonth"](*a) + 1),  # type: ignore[operator]
    "days count from one": ("getDayOfMonth", FUNCTIONS["getDate"]),
    "an optional zero is none": ("optional.of", FUNCTIONS["optional.ofNonZeroValue"]),
    "a block holds what starts alike": ("containsCIDR", lambda a, b: a.bits <= b.bits),
}


def found_by_source(pattern: str, replacement: str) -> int:
    """Return how many outcomes differ when the generated source is changed by a regular expression."""
    random = Random(SEED)
    conditions = [Rules(random).condition() for _ in range(250)]
    space = Space()
    name = write_conditions(space, conditions)
    space.sources[:] = [re.sub(pattern, replacement, source, flags=re.MULTILINE) for source in space.sources]
    evaluate, found = space.load()[name], 0
    for _ in range(12):
        held = facts(random, 0.15)
        complete = _Complete(frozenset(group for group in COMPLETE_GROUPS if random.random() < 0.5))
        oracle = Oracle(held, complete.__getitem__, NOW)
        try:
            answers = evaluate(held, complete, NOW, SEMVER)
        except (TypeError, AttributeError):
            return found + 1  # the defect shows by itself
        found += _differing(answers, [oracle.outcome(node) for node in conditions])
    return found


@cache
def _drawn() -> list[Node]:
    return differential.drawn(Random(SEED), 5000)[1]


def found_by_function(name: str, function: Callable[..., Any]) -> int:
    """Return how many outcomes of conditions that call CEL's function `name` differ when `function` computes it."""
    nodes = [root for root in _drawn() if any(isinstance(node, Call) and node.function == name for node in walk(root))]
    space = Space(params=dict(PARAM_VALUES), functions={**FUNCTIONS, name: function})
    generated = write_conditions(space, nodes)
    evaluate, complete, found = space.load()[generated], differential.Complete(differential.ROOTS), 0
    random = Random(SEED)
    for _ in range(30):
        held = device(random, 0.05)
        oracle = Oracle(held, complete.__getitem__, MOMENT, PARAM_VALUES)
        try:
            answers = evaluate(held, complete, MOMENT, SEMVER)
        except (TypeError, AttributeError, ValueError, IndexError, ZeroDivisionError):
            return found + 1  # the defect shows by itself
        found += _differing(answers, [oracle.outcome(node) for node in nodes])
    return found


def _differing(answers: Any, said: list[bool | None]) -> int:
    return sum((None if isinstance(one, str) else one) is not other for one, other in zip(answers, said, strict=True))


def main() -> int:
    """Print each defect with the outcomes that show it; return 1 if one is not shown."""
    shown = {name: found_by_source(*change) for name, change in WRITTEN.items()}
    shown |= {name: found_by_function(*change) for name, change in COMPUTED.items()}
    for name, count in shown.items():
        sys.stdout.write(f"{name:50} {f'found, {count} outcomes differ' if count else 'NOT FOUND'}\n")
    sys.stdout.write(f"{sum(map(bool, shown.values()))} of {len(shown)} planted defects found\n")
    return 0 if all(shown.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
