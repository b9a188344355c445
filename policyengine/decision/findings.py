"""From a rule's answer to its finding: waivers, history, holds, and what an enforced finding asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import overload

from policyengine.decision.binding import BoundRule
from policyengine.decision.generated import Answer
from policyengine.decision.messages import found
from policyengine.decision.selection import selects
from policyengine.decision.views import Need, View, Views
from policyengine.decision.waivers import covering, in_force
from policyengine.model.decision import FactSeen, Finding, Outcome, Prior, Result, RuleHistory, Sight
from policyengine.model.policy import Action, Mode, Waiver
from policyengine.model.version import Key

_NO_HISTORY = RuleHistory(failing_since=None, unknown_since=None, decisive=None)


class SeenFacts(dict[str, FactSeen | None]):
    """Facts by dotted path as findings repeat them, None for one that the device has not."""

    __slots__ = ("views",)

    def __init__(self, views: Views) -> None:
        super().__init__()
        self.views = views

    def __missing__(self, path: str) -> FactSeen | None:
        facts, key = self.views.facts, self.views.prefix(path)
        value, seen = found(facts.values, path), None
        if value is not None and key is not None:
            kept = facts.provenance[key]
            seen = FactSeen(
                value=value,
                source=kept.source,
                observed_at=kept.observed_at,
                evidence_digest=kept.evidence_digest,
                reporter=kept.reporter,
            )
        self[path] = seen
        return seen


@dataclass(slots=True, kw_only=True)
class Case:
    """One device at one moment, and what its rules have come to so far."""

    views: Views
    seen: SeenFacts
    keys: Mapping[str, str | None]
    prior: Prior | None
    now: datetime
    version_key: Callable[[str], Key]
    told: list[Finding] = field(default_factory=list)
    deadlines: list[datetime] = field(default_factory=list)
    strictest: Action = Action.NOTIFY

    def until(self, moment: datetime) -> None:
        """Note that time alone may change something at `moment`."""
        if moment > self.now:
            self.deadlines.append(moment)

    def history(self, bound: BoundRule) -> RuleHistory:
        """Return what the previous decision knew of `bound`."""
        if self.prior is None:
            return _NO_HISTORY
        return self.prior.rules.get(bound.finding.name, _NO_HISTORY)


def conclude(case: Case, bound: BoundRule, answer: Answer) -> None:
    """Add the finding that `answer` (False, or the reason of an unknown) means to `case`."""
    outcome = Outcome.FAIL if answer is False else Outcome.UNKNOWN
    reason = answer if isinstance(answer, str) else "rule.false"
    finding = _finding(case, bound, outcome, reason)
    case.told.append(finding)
    if bound.mode is Mode.ENFORCE and bound.action > case.strictest and _acts(case, bound, finding):
        case.strictest = bound.action


def _finding(case: Case, bound: BoundRule, outcome: Outcome, reason: str) -> Finding:
    """Return what a rule that did not pass comes to, with its history."""
    history, unknown = case.history(bound), outcome is Outcome.UNKNOWN
    waiver = _waiver(case, bound, outcome)
    result = Result.WAIVED if waiver is not None else Result.UNKNOWN if unknown else Result.FAIL
    # Never later than now: a carried state from a clock that was ahead must not stretch a hold.
    since = min(history.unknown_since or case.now, case.now) if unknown else None
    decisive = history.decisive if unknown else result
    return Finding(
        terms=bound.finding,
        result=result,
        reason=reason if waiver is None else "waiver.covers",
        failing_since=history.failing_since or case.now,
        held_until=_held_until(case, bound, since, decisive) if result is Result.UNKNOWN else None,
        waiver=None if waiver is None else waiver.name,
        unknown_since=since,
        decisive=decisive,
    )


class Sights(Sequence[Sight]):
    """What the rules of one decision saw, in its order; each made when it is asked for, then kept."""

    __slots__ = ("_kept", "rules", "seen")

    def __init__(self, rules: Sequence[tuple[BoundRule, Need]], seen: SeenFacts) -> None:
        self.rules, self.seen = rules, seen
        self._kept: dict[int, Sight] = {}

    def __len__(self) -> int:
        return len(self.rules)

    @overload
    def __getitem__(self, index: int) -> Sight: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Sight]: ...

    def __getitem__(self, index: int | slice) -> Sight | Sequence[Sight]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        kept = self._kept.get(index)
        if kept is None:
            bound, need = self.rules[index]
            seen = self.seen
            facts = {path: fact for path in bound.reads if (fact := seen[path]) is not None}
            kept = self._kept[index] = Sight(message=bound.template.filled(seen.views.of(need).shown), facts=facts)
        return kept


def explained(case: Case, bound: BoundRule, answer: Answer, view: View) -> Answer:
    """Return `answer`, or why an absent fact is absent: the device has it, but it is too weak or old for the rule."""
    if answer != "fact.absent" or not view.refused:
        return answer
    for path in bound.reads:
        refusal = view.refused.get(case.views.prefix(path) or "")
        if refusal is not None and case.seen[path] is not None:
            return refusal
    return answer


def _waiver(case: Case, bound: BoundRule, outcome: Outcome) -> Waiver | None:
    if bound.terms is None or not bound.waivers:
        return None
    for waiver in bound.waivers:
        if selects(waiver.where, case.keys) is True:
            case.until(waiver.expires)
            case.until(waiver.expires - bound.terms.maximum)  # until then it reaches further than it may
    return covering(bound.waivers, bound.terms, outcome, case.keys, case.now)


def _held_until(case: Case, bound: BoundRule, since: datetime | None, decisive: Result | None) -> datetime | None:
    """Return until when an unknown holds the rule's last decisive action, None if it does not."""
    hold: timedelta | None = bound.rule.evidence.hold
    if hold is None or since is None or decisive is None:
        return None
    end = since + hold
    case.until(end)
    return end if case.now < end else None


def _acts(case: Case, bound: BoundRule, finding: Finding) -> bool:
    """Return whether an enforced finding asks for its action now."""
    if finding.held_until is not None:
        still_waived = finding.decisive is Result.WAIVED and _still_waived(case, bound)
        return finding.decisive is not Result.PASS and not still_waived
    return finding.result is not Result.WAIVED


def _still_waived(case: Case, bound: BoundRule) -> bool:
    """Return whether the failure that a hold stands for is still covered: a hold does not outlive its waiver."""
    return bound.terms is not None and any(
        in_force(waiver, bound.terms, case.now) and selects(waiver.where, case.keys) is True for waiver in bound.waivers
    )
