"""Rules per second: generated Python, the slow interpreter, cel-cpp and hand-written Python on one workload.

    python -m benchmarks.rules [--rounds 15]

Engines take turns inside each round, so that a busy machine slows all alike; a figure is the median of the rounds'
ratios. Every engine gets parsed values. Outcomes are compared with cel-cpp's, one by one. Ours computes
equal conditions once and remembers the answers of patterns; the last line of each block is 100 rules without repeats.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks import handwritten, workload
from benchmarks.celcpp import CelCpp
from policyengine.decision.generated import write_conditions
from policyengine.decision.space import Space
from policyengine.language.cel.environment import Environment
from policyengine.model.expression import Node
from policyengine.model.version import key_function
from tests.property.oracle import Oracle

DEVICES = 40
COUNTS = (25, 100, 500)
MISSING = (0.0, 0.03)
TARGETS = {0.0: (13.0, 1.2), 0.03: (10.0, 1.0)}  # times cel-cpp, times hand-written, at 100 rules
SEMVER = key_function("semver")

Outcomes = list[bool | None]
Engine = Callable[[], list[Outcomes]]


class Complete(dict[str, bool]):
    """Every group listed in full, as plain CEL has it."""

    def __missing__(self, path: str) -> bool:
        self[path] = True
        return True


def compiled(source: Any, texts: Sequence[str]) -> list[Node]:
    environment = Environment.for_facts(workload.schema(source))
    return [environment.condition(text).node for text in texts]


def generated(nodes: list[Node], documents: list[dict[str, Any]], now: Any) -> Engine:
    space = Space()
    name = write_conditions(space, nodes)
    evaluate, complete = space.load()[name], Complete()
    return lambda: [evaluate(document, complete, now, SEMVER) for document in documents]  # type: ignore[misc]


def interpreted(nodes: list[Node], documents: list[dict[str, Any]], now: Any) -> Engine:
    def run() -> list[Outcomes]:
        oracles = [Oracle(document, lambda path: True, now) for document in documents]
        return [[oracle.outcome(node) for node in nodes] for oracle in oracles]

    return run


def by_hand(rules: list[handwritten.Rule], documents: list[dict[str, Any]], now: Any) -> Engine:
    def one(document: dict[str, Any]) -> Outcomes:
        answers: Outcomes = []
        for rule in rules:
            try:
                answers.append(rule(document, now))
            except KeyError:
                answers.append(None)
        return answers

    return lambda: [one(document) for document in documents]


def engines(source: Any, chosen: Sequence[int], missing: float) -> Mapping[str, Engine]:
    """Return each engine on the rules at the places `chosen` of the workload's endless list."""
    documents, count = source.fleet(DEVICES, missing=missing), max(chosen) + 1
    typed, dynamic = [workload.facts(found) for found in documents], [source.pbdoc(found) for found in documents]
    texts, conditions = source.rules(count), workload.conditions(source, count)
    by_place = handwritten.rules(source, count)
    nodes = compiled(source, [conditions[at] for at in chosen])
    cpp = CelCpp(source, [texts[at] for at in chosen])
    return {
        "generated": generated(nodes, typed, source.NOW),
        "cel-cpp": lambda: [cpp.outcomes(document) for document in dynamic],
        "by hand": by_hand([by_place[at] for at in chosen], documents, source.NOW),
        "interpreter": interpreted(nodes, typed[:4], source.NOW),
    }


def timed(run: Engine) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def disagreements(ours: list[Outcomes], theirs: list[Outcomes]) -> int:
    return sum(
        (None if isinstance(one, str) else one) is not other
        for mine, yours in zip(ours, theirs, strict=False)
        for one, other in zip(mine, yours, strict=True)
    )


def distinct(source: Any, count: int) -> list[int]:
    """Return the places of rules that no earlier rule equals: nine templates have no constant."""
    texts = source.rules(count)
    return [at for at, text in enumerate(texts) if texts.index(text) == at]


def measured(source: Any, chosen: Sequence[int], missing: float, rounds: int) -> dict[str, float]:
    """Return each engine's median seconds per device relative to generated Python, and its own microseconds."""
    offered = engines(source, chosen, missing)
    answers = {name: run() for name, run in offered.items()}
    share = {name: len(found) for name, found in answers.items()}
    names, ratios, own = list(offered), {name: list[float]() for name in offered}, list[float]()
    for round_ in range(rounds):
        turn = names[round_ % len(names) :] + names[: round_ % len(names)]
        took = {name: timed(offered[name]) / share[name] for name in turn}
        own.append(took["generated"])
        for name in names:
            ratios[name].append(took[name] / took["generated"])
    figures = {name: statistics.median(found) for name, found in ratios.items()}
    wrong = {f"{name} differs": float(disagreements(answers[name], answers["cel-cpp"])) for name in names}
    return figures | wrong | {"us": min(own) * 1e6, "compared": float(share["generated"] * len(chosen))}


def report(rounds: int, out: Callable[[str], object]) -> bool:
    """Print the table; return whether the targets hold."""
    source, held = workload.load(), True
    out("rules  missing  us/device  x cel-cpp  x by hand  x interpreter  differ from cel-cpp: ours / hand / slow")
    for missing in MISSING:
        for count, chosen in [*((count, range(count)) for count in COUNTS), (0, distinct(source, 100))]:
            found = measured(source, chosen, missing, rounds)
            out(
                f"{len(chosen):5d}  {missing:7.0%}  {found['us']:9.1f}  {found['cel-cpp']:9.1f}"
                f"  {found['by hand']:9.2f}  {found['interpreter']:13.0f}"
                f"  {found['generated differs']:.0f} / {found['by hand differs']:.0f}"
                f" / {found['interpreter differs']:.0f} of {found['compared']:.0f}"
            )
            if count == 100:
                held &= found["cel-cpp"] >= TARGETS[missing][0] and found["by hand"] >= TARGETS[missing][1]
            held &= found["generated differs"] == 0
    out(f"targets at 100 rules {'hold' if held else 'MISSED'}: at least {TARGETS} times cel-cpp and hand-written")
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    return 0 if report(parser.parse_args().rounds, partial(print, file=sys.stdout)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
