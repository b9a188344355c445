"""Three engines on one condition and one device: generated Python, the slow interpreter, and cel-cpp.

`python -m tests.property.differential [ROUNDS]` compares on and on and prints the first differences.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any

from cel_expr_python import cel

from policyengine.decision.generated import write_conditions
from policyengine.decision.space import Space
from policyengine.language.cel.environment import ConditionError, Environment
from policyengine.model.expression import Node
from policyengine.model.version import key_function
from tests.property.devices import NOW, device, for_cel_cpp
from tests.property.grammar import PARAM_VALUES, PARAMS, SCHEMA, Grammar, Text
from tests.property.oracle import Oracle

SEMVER = key_function("semver")
ROOTS = frozenset(SCHEMA.roots)
LIBRARIES = ("bindings", "encoders", "lists", "math", "optional", "regex", "sets", "strings", "two-var-comprehensions")


class Complete(dict[str, bool]):
    """By group, whether its source listed everything."""

    def __init__(self, groups: frozenset[str]) -> None:
        super().__init__()
        self.groups = groups

    def __missing__(self, path: str) -> bool:
        return path.partition(".")[0] in self.groups


@dataclass(slots=True)
class Comparison:
    """What was compared, and what differed."""

    with_interpreter: int = 0
    with_cel_cpp: int = 0
    decided: int = 0  # outcomes that are true or false
    differing: list[str] = field(default_factory=list)

    @property
    def compared(self) -> int:
        return self.with_interpreter + self.with_cel_cpp

    def add(self, other: Comparison) -> None:
        self.with_interpreter += other.with_interpreter
        self.with_cel_cpp += other.with_cel_cpp
        self.decided += other.decided
        self.differing += other.differing


def drawn(random: Random, count: int, depth: int = 4) -> tuple[list[Text], list[Node]]:
    """Return `count` random conditions and their IR; what the front end bounds or finds constant-bad is left out."""
    environment, grammar = Environment.for_facts(SCHEMA, PARAMS), Grammar(random)
    texts, nodes = list[Text](), list[Node]()
    while len(texts) < count:
        text = grammar.condition(depth)
        try:
            nodes.append(environment.condition(text.text).node)
            texts.append(text)
        except ConditionError as error:
            if any(problem.code not in LEFT_OUT for problem in error.problems):
                raise AssertionError(f"{text.text}: {error.problems}") from error
    return texts, nodes


LEFT_OUT = frozenset({"cel.cost", "cel.too-deep", "cel.too-long", "cel.version", "cel.address"})


def generated(nodes: Sequence[Node], change: Callable[[Space], None] = lambda space: None) -> Callable[..., Any]:
    """Return the generated function of all `nodes`; `change` may plant a defect."""
    space = Space(params=dict(PARAM_VALUES))
    name = write_conditions(space, nodes)
    change(space)
    return space.load()[name]


class CelCpp:
    """The conditions that cel-cpp can judge, over dynamic maps."""

    def __init__(self, texts: Sequence[Text]) -> None:
        dynamic = dict.fromkeys((*ROOTS, "params"), cel.Type.DYN)
        extensions = json.dumps([{"name": name} for name in LIBRARIES])
        configuration = cel.NewEnvConfigFromYaml(f"name: oracle\nextensions: {extensions}")
        self._env = cel.NewEnv(config=configuration, variables={**dynamic, "now": cel.Type.TIMESTAMP})
        # unchecked, because over dynamic maps the checker takes no fact for an optional
        self._rules = [self._env.compile(each.text, disable_check=True) if each.is_standard else None for each in texts]

    def outcomes(self, facts: Mapping[str, Any]) -> list[bool | str | None]:
        """Return True, False, None for an error, and "" for a condition that it cannot judge."""
        activation = self._env.Activation(for_cel_cpp({**facts, "params": PARAM_VALUES, "now": NOW}))
        return ["" if rule is None else _outcome(rule, activation) for rule in self._rules]


def _outcome(rule: Any, activation: Any) -> bool | None:
    try:
        found = rule.eval(activation).value()
    except RuntimeError:  # some errors, such as a repeated key, it raises instead
        return None
    return found if found is True or found is False else None


def compare(random: Random, *, conditions: int, devices: int) -> Comparison:
    """Return the comparison of random conditions on random devices; every second device is known completely."""
    texts, nodes = drawn(random, conditions)
    evaluate, cpp, result = generated(nodes), CelCpp(texts), Comparison()
    for at in range(devices):
        facts = device(random, random.choice((0.0, 0.05, 0.3)))
        groups = ROOTS if at % 2 else frozenset(name for name in ROOTS if random.random() < 0.5)
        complete = Complete(groups)
        answers = evaluate(facts, complete, NOW, SEMVER)
        oracle = Oracle(facts, complete.__getitem__, NOW, PARAM_VALUES)
        others = cpp.outcomes(facts) if groups == ROOTS else [""] * len(texts)
        for text, node, answer, other in zip(texts, nodes, answers, others, strict=True):
            ours, slow = None if isinstance(answer, str) else answer, oracle.outcome(node)
            result.with_interpreter += 1
            result.with_cel_cpp += other != ""
            result.decided += ours is not None
            if ours is not slow or (other != "" and ours is not other):
                listed = sorted(groups) if groups != ROOTS else "all"
                said = f"generated {answer}, interpreter {slow}, cel-cpp {other if other != '' else 'not asked'}"
                result.differing.append(f"{text.text}\n  {said}\n  on {facts}, complete: {listed}")
    return result


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    total = Comparison()
    for _ in range(rounds):
        seed = SystemRandom().randrange(2**32)
        found = compare(Random(seed), conditions=200, devices=30)
        total.add(found)
        for text in {text.partition("\n")[0]: text for text in found.differing}.values():
            sys.stdout.write(f"seed {seed}: {text}\n")
    sys.stdout.write(
        f"{total.with_interpreter} with the interpreter, {total.with_cel_cpp} with cel-cpp, {total.decided} decided, "
        f"{len(total.differing)} differ\n"
    )


if __name__ == "__main__":
    main()
