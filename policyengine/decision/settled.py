"""What a carried state has made of a block's answers before, where nothing but a change of either makes it differ.

A rule that has been failing since last week says the same at each check-in. Its finding follows from the answer and the
carried state alone, unless a waiver or a hold is in play: those depend on the moment. Devices that carry the same state
share it, and it goes with that state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from policyengine.decision.binding import BoundRule
from policyengine.decision.generated import Answer, Evaluate
from policyengine.model.decision import Finding, Prior, Result, RuleHistory
from policyengine.model.policy import Action

MAX_SETTLED = 256  # outcomes kept with one carried state; a device of the starter pack has five

Answers = tuple[Answer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The findings of a block and the strictest action they ask for, as long as it is not before `since`."""

    findings: tuple[Finding, ...]
    strictest: Action
    since: datetime | None


def settled(prior: Prior, block: Evaluate, answers: Answers, now: datetime) -> Settled | None:
    """Return what `answers` of `block` came to under `prior` before; None if nothing settles it."""
    kept = prior.settled.get((block, answers))
    return kept if isinstance(kept, Settled) and (kept.since is None or kept.since <= now) else None


def settle(
    prior: Prior, block: Evaluate, answers: Answers, rules: Sequence[BoundRule], findings: Sequence[Finding]
) -> None:
    """Remember that `answers` came to `findings` under `prior`, unless the moment had a part in that."""
    told = [each for each in zip(rules, findings, strict=True) if each[1].result is not Result.PASS]
    if not all(_stands(prior.rules.get(bound.finding.name), bound, finding) for bound, finding in told):
        return
    if len(prior.settled) >= MAX_SETTLED:
        prior.settled.clear()
    prior.settled[block, answers] = Settled(
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
