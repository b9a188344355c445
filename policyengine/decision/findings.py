"""From a rule's answer to its finding: waivers, history, holds, and what an enforced finding asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from policyengine.decision.binding import BoundRule
from policyengine.decision.generated import Answer
from policyengine.decision.messages import found
from policyengine.decision.selection import selects
from policyengine.decision.views import View, Views
from policyengine.decision.waivers import covering, in_force
from policyengine.model.decision import FactSeen, Finding, Outcome, Prior, Result, RuleHistory
from policyengine.model.policy import Action, Mode, Waiver
from policyengine.model.version import Key

_NO_HISTORY = RuleHistory(failing_since=None, unknown_since=None, decisive=None)
_UNSEEN = object()
_OUTCOMES = {True: (Outcome.PASS, Result.PASS, "rule.true"), False: (Outcome.FAIL, Result.FAIL, "rule.false")}


@dataclass(slots=True, kw_only=True)
class Case:
    """One device at one moment, and what its rules have come to so far."""

    views: Views
    keys: Mapping[str, str | None]
    prior: Prior | None
    now: datetime
    version_key: Callable[[str], Key]
    findings: list[Finding] = field(default_factory=list)
    deadlines: list[datetime] = field(default_factory=list)
    strictest: Action = Action.NOTIFY
    _seen: dict[str, object] = field(default_factory=dict)

    def until(self, moment: datetime) -> None:
        """Note that time alone may change something at `moment`."""
        if moment > self.now:
            self.deadlines.append(moment)

    def seen(self, dotted: str, path: tuple[str, ...]) -> object:
        """Return the FactSeen at `path`, None if the device has no such fact."""
        known = self._seen.get(dotted, _UNSEEN)
        if known is _UNSEEN:
            known = self._seen[dotted] = self._look(dotted, path)
        return known

    def _look(self, dotted: str, path: tuple[str, ...]) -> FactSeen | None:
        facts, key = self.views.facts, self.views.prefix(dotted)
        value = found(facts.values, path)
        if value is None or key is None:
            return None
        kept = facts.provenance[key]
        return FactSeen(
            value=value, source=kept.source, observed_at=kept.observed_at, evidence_digest=kept.evidence_digest
        )

    def history(self, bound: BoundRule) -> RuleHistory:
        """Return what the previous decision knew of `bound`."""
        if self.prior is None:
            return _NO_HISTORY
        return self.prior.rules.get((bound.rule.name, bound.binding), _NO_HISTORY)


def conclude(case: Case, bound: BoundRule, answer: Answer, view: View) -> None:
    """Add the finding that `answer` (True, False, or the reason of an unknown) means to `case`."""
    history = case.history(bound)
    if isinstance(answer, str):
        outcome, result, reason = Outcome.UNKNOWN, Result.UNKNOWN, _explained(case, bound, answer, view)
    else:
        outcome, result, reason = _OUTCOMES[answer]
    waiver = None if outcome is Outcome.PASS else _waiver(case, bound, outcome)
    if waiver is not None:
        result, reason = Result.WAIVED, "waiver.covers"
    passed, unknown = outcome is Outcome.PASS, outcome is Outcome.UNKNOWN
    unknown_since = (history.unknown_since or case.now) if unknown else None
    decisive = history.decisive if unknown else result
    held = _held_until(case, bound, unknown_since, decisive) if result is Result.UNKNOWN else None
    rule = bound.rule
    case.findings.append(
        Finding(
            rule=rule.name,
            policy_version=bound.policy.version,
            binding=bound.binding,
            result=result,
            reason=reason,
            mode=bound.mode,
            action=bound.action,
            severity=bound.policy.severity,
            message=bound.template.static if bound.template.static is not None else bound.template.filled(view.values),
            remediation=rule.remediation,
            controls=bound.policy.controls,
            place=rule.place,
            facts=_facts(case, bound),
            failing_since=None if passed else (history.failing_since or case.now),
            held_until=held,
            waiver=None if waiver is None else waiver.name,
            unknown_since=unknown_since,
            decisive=decisive,
        )
    )
    if bound.mode is Mode.ENFORCE and bound.action > case.strictest and _acts(case, bound, result, decisive, held):
        case.strictest = bound.action


def _facts(case: Case, bound: BoundRule) -> Mapping[str, FactSeen]:
    seen: dict[str, FactSeen] = {}
    for dotted, path in bound.reads:
        fact = case.seen(dotted, path)
        if isinstance(fact, FactSeen):
            seen[dotted] = fact
    return seen


def _explained(case: Case, bound: BoundRule, reason: str, view: View) -> str:
    """Return why an absent fact is absent: the device has it, but it is too weak or too old for the rule."""
    if reason != "fact.absent" or not view.refused:
        return reason
    for dotted, path in bound.reads:
        refusal = view.refused.get(case.views.prefix(dotted) or "")
        if refusal is not None and case.seen(dotted, path) is not None:
            return refusal
    return reason


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


def _acts(case: Case, bound: BoundRule, result: Result, decisive: Result | None, held: datetime | None) -> bool:
    """Return whether an enforced finding asks for its action now."""
    if result is Result.UNKNOWN and held is not None:
        return decisive is Result.FAIL or (decisive is Result.WAIVED and not _still_waived(case, bound))
    return result in (Result.FAIL, Result.UNKNOWN)


def _still_waived(case: Case, bound: BoundRule) -> bool:
    """Return whether the failure that a hold stands for is still covered: a hold does not outlive its waiver."""
    return bound.terms is not None and any(
        in_force(waiver, bound.terms, case.now) and selects(waiver.where, case.keys) is True for waiver in bound.waivers
    )
