"""What `policyengine test --mutate` found, as lines of text and as a JSON value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from policyengine.services.authoring.policy_mutation import PolicyMutation, Survivor, score


def as_lines(mutations: Sequence[PolicyMutation], untested: Iterable[str]) -> Iterator[str]:
    """Yield every change that no test noticed, then the score; those of policies that are `untested` are counted."""
    if not mutations:
        return
    named = frozenset(untested)
    for one in mutations:
        for survivor in () if one.policy in named else one.survivors:
            yield from _lines(one.policy, survivor)
    killed, count = sum(one.killed for one in mutations), sum(one.mutants for one in mutations)
    yield f"\nmutation score {score(mutations)} %: tests noticed {killed} of {count} changes"
    left_out = sum(one.left_out for one in mutations)
    if left_out:
        yield f"{left_out} more changes were left out, evenly, to stay within the limit of each policy"


def _lines(policy: str, survivor: Survivor) -> Iterator[str]:
    rule = f", rule {survivor.rule}" if survivor.rule else ""
    place = survivor.place
    yield f"\n{place.file}:{place.line}:{place.column}: {policy}{rule}: no test notices"
    yield f"  {survivor.original}"
    yield f"  changed to {survivor.mutated}"
    yield f"  add {survivor.hint}"


def as_document(mutations: Sequence[PolicyMutation]) -> dict[str, object]:
    """Return the mutations as a JSON value, policy by policy."""
    return {
        "score": score(mutations),
        "killed": sum(one.killed for one in mutations),
        "mutants": sum(one.mutants for one in mutations),
        "policies": [_policy(one) for one in mutations],
    }


def _policy(one: PolicyMutation) -> dict[str, object]:
    return {
        "policy": one.policy,
        "score": score([one]),
        "killed": one.killed,
        "mutants": one.mutants,
        "left_out": one.left_out,
        "survivors": [_survivor(survivor) for survivor in one.survivors],
    }


def _survivor(survivor: Survivor) -> dict[str, object]:
    return {
        "rule": survivor.rule,
        "original": survivor.original,
        "mutated": survivor.mutated,
        "hint": survivor.hint,
        "file": survivor.place.file,
        "line": survivor.place.line,
        "column": survivor.place.column,
    }
