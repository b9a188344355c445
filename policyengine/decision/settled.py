"""What a carried state has made of answers before, where nothing but a change of either makes it differ.

A rule that has been failing since last week says the same at each check-in. Its finding follows from the answer and the
carried state alone, unless a waiver or a hold is in play: those depend on the moment. Devices that carry the same state
share it, and it goes with that state.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime

from policyengine.decision.answered import Answers
from policyengine.decision.binding import BoundRule
from policyengine.model.decision import Finding, Prior, Result, RuleHistory
from policyengine.model.policy import Action

MAX_SETTLED = 256  # outcomes kept with one carried state; a device of the starter pack has five


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Findings of a block, or of all common ones, and the strictest action they ask for; not before `since`."""

    findings: tuple[Finding, ...]
    strictest: Action
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What the last decision on a carried state was told, by identity, and the same findings in a decision's order."""

    marks: tuple[int, ...]
    told: tuple[Finding, ...]  # kept, so that no other finding gets the identity of one of them
    findings: tuple[Finding, ...]


def ordered(
    prior: Prior, told: Sequence[Finding], order: Callable[[Sequence[Finding]], tuple[Finding, ...]]
) -> tuple[Finding, ...]:
    """Return `told` by `order`; the same tuple as before while it holds the same findings."""
    marks = tuple(map(id, told))
    last = prior.settled.get(Ordered)
    if isinstance(last, Ordered) and last.marks == marks:
        return last.findings
    findings = order(told)
    prior.settled[Ordered] = Ordered(marks=marks, told=tuple(told), findings=findings)
    return findings


def settled(prior: Prior, who: Hashable, answers: Answers, now: datetime) -> Settled | None:
    """Return what `answers` by `who` came to under `prior` before; None if nothing settles it."""
    kept = prior.settled.get((who, answers))
    return kept if isinstance(kept, Settled) and (kept.since is None or kept.since <= now) else None


def settle(
    prior: Prior, who: Hashable, answers: Answers, rules: Sequence[BoundRule], findings: Sequence[Finding]
) -> None:
    """Remember that `answers` came to `findings` under `prior`, unless the moment had a part in that."""
    told = [each for each in zip(rules, findings, strict=True) if each[1].result is not Result.PASS]
    if not all(_stands(prior.rules.get(bound.finding.name), bound, finding) for bound, finding in told):
        return
    if len(prior.settled) >= MAX_SETTLED:
        prior.settled.clear()
    prior.settled[who, answers] = Settled(
        findings=tuple(findings),
        strictest=max((bound.enforced for bound, _ in told), default=Action.NOTIFY),
        since=max((finding.unknown_since for _, finding in told if finding.unknown_since is not None), default=None),
    )


def _stands(history: RuleHistory | None, bound: BoundRule, finding: Finding) -> bool:
    """Return whether `finding` follows from `history` whenever it is asked for."""
    held = bound.rule.evidence.hold is not None and finding.decisive is not None and finding.result is Result.UNKNOWN
    return (
        history is not None
        and not bound.waivers
        and not held
        and history.failing_since is not None
        and finding.unknown_since == (history.unknown_since if finding.result is Result.UNKNOWN else None)
    )
