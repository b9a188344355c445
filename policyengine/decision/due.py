"""What devices of one kind are judged by, laid out once: everything about a decision that no fact changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter

from policyengine.decision.binding import Block, BoundRule, Functions
from policyengine.decision.views import Need
from policyengine.model.decision import Finding

Findings = Sequence[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueBlock:
    """A block that applies (not `certain`: nobody can tell), its functions, and what it says when all is well."""

    block: Block
    functions: Functions
    certain: bool
    passing: tuple[bool, ...]
    passed: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """The blocks that apply and read only what devices share (answered.py), and what all of them say when all is well.

    Told apart by identity: each is one bundle's, for one kind of device in one phase.
    """

    blocks: tuple[DueBlock, ...]
    rules: tuple[BoundRule, ...]
    passing: tuple[bool, ...]
    passed: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long the facts at `paths` count for rules that want them younger than `fresh`."""

    fresh: timedelta
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The blocks that devices of one kind are judged by: the common ones, then each other.

    `ordered` puts findings, made in that order, into a decision's, in which `rules` stand already.
    """

    common: Common
    blocks: tuple[DueBlock, ...]
    ordered: Callable[[Findings], tuple[Finding, ...]]
    rules: tuple[tuple[BoundRule, Need], ...]
    lifetimes: tuple[Lifetime, ...]
    unforeseeable: bool


def due_block(block: Block, functions: Functions, *, certain: bool) -> DueBlock:
    """Return `block` as one that applies; not `certain`: a selector cannot be decided."""
    return DueBlock(
        block=block,
        functions=functions,
        certain=certain,
        passing=(True,) * len(block.rules),
        passed=tuple(bound.passed for bound in block.rules),
    )


def due_of(blocks: tuple[DueBlock, ...]) -> Due:
    """Return what is due where `blocks` apply."""
    common = _common(tuple(due for due in blocks if due.certain and due.block.common))
    others = tuple(due for due in blocks if not (due.certain and due.block.common))
    rules = [(bound, due.block.need) for due in (*common.blocks, *others) for bound in due.block.rules]
    order = sorted(range(len(rules)), key=lambda at: rules[at][0].order)
    certain = [due.block for due in blocks if due.certain]
    return Due(
        common=common,
        blocks=others,
        ordered=_picking(order),
        rules=tuple(rules[at] for at in order),
        lifetimes=_lifetimes(certain),
        unforeseeable=any(block.unforeseeable for block in certain),
    )


def _common(blocks: tuple[DueBlock, ...]) -> Common:
    rules = tuple(bound for due in blocks for bound in due.block.rules)
    passed = tuple(finding for due in blocks for finding in due.passed)
    return Common(blocks=blocks, rules=rules, passing=(True,) * len(rules), passed=passed)


def _picking(order: list[int]) -> Callable[[Findings], tuple[Finding, ...]]:
    if len(order) < 2:
        return tuple
    return itemgetter(*order)


def _lifetimes(blocks: list[Block]) -> tuple[Lifetime, ...]:
    paths: dict[timedelta, set[str]] = {}
    for block in blocks:
        if block.need.fresh is not None:
            paths.setdefault(block.need.fresh, set()).update(block.paths)
    return tuple(Lifetime(fresh=fresh, paths=tuple(sorted(found))) for fresh, found in sorted(paths.items()))
