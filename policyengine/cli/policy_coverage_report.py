"""The coverage that `policyengine test` measures, as lines of text and as a JSON value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from policyengine.services.authoring.policy_coverage import PolicyCoverage, Unseen, percent

MAX_LINES = 40  # of what no device showed; the rest is counted, and JSON has all of it


def as_lines(coverage: Sequence[PolicyCoverage], untested: Iterable[str]) -> Iterator[str]:
    """Yield what no device of any test showed, then the total; policies that are `untested` are only counted."""
    named = frozenset(untested)
    unseen = [(one, goal) for one in coverage if one.policy not in named for goal in one.unseen]
    if unseen:
        yield ""
    for one, goal in unseen[:MAX_LINES]:
        yield f"{_place(goal)}: {one.policy}, rule {goal.rule}: {_missing(goal)}"
    if len(unseen) > MAX_LINES:
        yield f"and {len(unseen) - MAX_LINES} more"
    reached, goals = sum(one.reached for one in coverage), sum(one.goals for one in coverage)
    yield f"coverage {percent(coverage)} %: {reached} of {goals} results of rules and values of operands were seen"


def _place(goal: Unseen) -> str:
    return f"{goal.place.file}:{goal.place.line}:{goal.place.column}"


def _missing(goal: Unseen) -> str:
    if goal.outcome is not None:
        return f"no device shows {goal.outcome.value}"
    return f"`{goal.expression}` is never {str(goal.value).lower()} where that matters"


def as_document(coverage: Sequence[PolicyCoverage]) -> dict[str, object]:
    """Return the coverage as a JSON value, policy by policy."""
    return {
        "percent": percent(coverage),
        "reached": sum(one.reached for one in coverage),
        "goals": sum(one.goals for one in coverage),
        "policies": [_policy(one) for one in coverage],
    }


def _policy(one: PolicyCoverage) -> dict[str, object]:
    return {
        "policy": one.policy,
        "percent": percent([one]),
        "reached": one.reached,
        "goals": one.goals,
        "unseen": [_goal(goal) for goal in one.unseen],
    }


def _goal(goal: Unseen) -> dict[str, object]:
    return {
        "rule": goal.rule,
        "result": None if goal.outcome is None else goal.outcome.value,
        "expression": goal.expression or None,
        "value": goal.value,
        "file": goal.place.file,
        "line": goal.place.line,
        "column": goal.place.column,
    }
