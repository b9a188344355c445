"""What one decision carries over to the next, as canonical bytes with a digest (docs/adr/0005)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from policyengine.decision.facts_json import quick_canonical
from policyengine.errors import PolicyEngineError
from policyengine.model.decision import Decision, Finding, Prior, Result, RuleHistory, Tier
from policyengine.model.ids import BindingName, Digest, RuleName, digest_of
from policyengine.model.times import InvalidTimeError, format_timestamp, parse_timestamp

KEPT_DIGESTS = 1024  # carried states; devices that pass everything share a few
KEPT_NAMES = 16_384  # rules under bindings of one worker whose text is remembered

_TIERS = {tier.name.lower(): tier for tier in Tier}
_DECISIVE = {result.value: result for result in (Result.PASS, Result.FAIL, Result.WAIVED)}
_NAMES = {tier: name for name, tier in _TIERS.items()}


class PriorError(PolicyEngineError):
    """A previous decision, or the state carried over from it, that cannot be read."""

    code = "prior.invalid"


def prior_of(decision: Decision) -> Prior:
    """Return what the decision after `decision` needs of it."""
    return Prior(
        tier=decision.tier,
        decided_tier=decision.decided_tier,
        rules={
            found.terms.name: PASSED if found.result is Result.PASS else _history(found) for found in decision.findings
        },
    )


PASSED = RuleHistory(failing_since=None, unknown_since=None, decisive=Result.PASS)  # of every rule that passes


def _history(found: Finding) -> RuleHistory:
    return RuleHistory(failing_since=found.failing_since, unknown_since=found.unknown_since, decisive=found.decisive)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Carried:
    """What was last asked of a carried state: whether a decision with these findings and tiers carries it on."""

    findings: tuple[Finding, ...]
    tiers: tuple[Tier, Tier]
    answer: bool


def carries_on(decision: Decision, before: Prior) -> bool:
    """Return whether `prior_of(decision) == before`; the last answer is kept with `before`.

    Findings are told by identity: that of decisions which came to the same is the same (settled.py).
    """
    tiers = (decision.tier, decision.decided_tier)
    last = before.settled.get(_Carried)
    if isinstance(last, _Carried) and last.findings is decision.findings and last.tiers == tiers:
        return last.answer
    answer = _carries_on(decision, before)
    before.settled[_Carried] = _Carried(findings=decision.findings, tiers=tiers, answer=answer)
    return answer


def _carries_on(decision: Decision, before: Prior) -> bool:
    rules = before.rules
    return (
        decision.tier is before.tier
        and decision.decided_tier is before.decided_tier
        and len(decision.findings) == len(rules)
        and not any(_differs(found, rules.get(found.terms.name)) for found in _unlike(decision.findings, rules))
    )


def _unlike(
    findings: Iterable[Finding], rules: Mapping[tuple[RuleName, BindingName | None], RuleHistory]
) -> list[Finding]:
    """Return the findings of rules that do not pass as they passed before."""
    passes, before = Result.PASS, rules.get
    return [found for found in findings if found.result is not passes or before(found.terms.name) is not PASSED]


def _differs(found: Finding, history: RuleHistory | None) -> bool:
    if history is None or history is PASSED:
        return True
    return (
        found.decisive is not history.decisive
        or found.failing_since != history.failing_since
        or found.unknown_since != history.unknown_since
    )


def prior_document(prior: Prior) -> dict[str, object]:
    """Return the JSON form of `prior`; each rule is [rule, binding, failing since, unknown since, last decisive]."""
    names = sorted(prior.rules, key=_order)
    return {
        "decided_tier": _NAMES[prior.decided_tier],
        "rules": [_written(name, prior.rules[name]) for name in names],
        "tier": _NAMES[prior.tier],
    }


def _order(name: tuple[RuleName, BindingName | None]) -> tuple[str, str]:
    return (name[0], name[1] or "")


def _written(name: tuple[RuleName, BindingName | None], history: RuleHistory) -> list[str | None]:
    failing, unknown, decisive = history.failing_since, history.unknown_since, history.decisive
    return [
        *name,
        None if failing is None else format_timestamp(failing),
        None if unknown is None else format_timestamp(unknown),
        None if decisive is None else decisive.value,
    ]


def prior_bytes(prior: Prior) -> bytes:
    """Return the canonical bytes of prior_document(prior), written straight: every check-in needs them."""
    rows = ",".join([_named(name) + _row_end(prior.rules[name]) for name in sorted(prior.rules, key=_order)])
    return f'{{"decided_tier":"{_NAMES[prior.decided_tier]}","rules":[{rows}],"tier":"{_NAMES[prior.tier]}"}}'.encode()


@lru_cache(maxsize=KEPT_NAMES)
def _named(name: tuple[RuleName, BindingName | None]) -> str:
    return quick_canonical(list(name)).decode()[:-1]


def _row_end(history: RuleHistory) -> str:
    decisive = "null" if history.decisive is None else f'"{history.decisive.value}"'
    return f",{_quoted(history.failing_since)},{_quoted(history.unknown_since)},{decisive}]"


def _quoted(moment: datetime | None) -> str:
    return "null" if moment is None else f'"{format_timestamp(moment)}"'


def prior_digest(prior: Prior) -> Digest:
    """Return the SHA-256 name of `prior`; a caller that keeps carried states in memory pays for each once."""
    known = _DIGESTS.get(id(prior))
    if known is None or known[0] is not prior:
        if len(_DIGESTS) >= KEPT_DIGESTS:
            _DIGESTS.clear()
        known = _DIGESTS[id(prior)] = (prior, digest_of(prior_bytes(prior)))
    return known[1]


# By identity: frozen values do not change, and comparing two carried states costs as much as writing one.
_DIGESTS: dict[int, tuple[Prior, Digest]] = {}


def read_prior(document: object) -> Prior:
    """Return the Prior whose prior_document is `document`; raises PriorError."""
    outer = _mapping(document)
    return _prior(outer, (_row(row) for row in _list(outer.get("rules"))))


def _row(row: object) -> tuple[object, object, object, object, object]:
    if isinstance(row, list) and len(row) == 5:
        rule, binding, failing, unknown, decisive = row
        return rule, binding, failing, unknown, decisive
    raise PriorError("a rule of the carried state does not have five parts")


def read_prior_from_decision(document: object) -> Prior:
    """Return what the Decision `document` (DESIGN section 11) carries over; raises PriorError.

    A decision that does not say what a rule last decided still says it for rules that pass, fail or are waived.
    """
    outer = _mapping(document)
    return _prior(outer, map(_finding, _list(outer.get("findings"))))


def _finding(value: object) -> tuple[object, object, object, object, object]:
    found = _mapping(value)
    result = found.get("result")
    decisive = result if isinstance(result, str) and result in _DECISIVE else None
    return (
        found.get("rule"),
        found.get("binding"),
        found.get("failing_since"),
        found.get("unknown_since"),
        found.get("last_decisive", decisive),
    )


def _prior(outer: Mapping[str, object], rows: Iterable[tuple[object, object, object, object, object]]) -> Prior:
    rules = {_name(rule, binding): _read_history(*rest) for rule, binding, *rest in rows}
    return Prior(tier=_tier(outer.get("tier")), decided_tier=_tier(outer.get("decided_tier")), rules=rules)


def _name(rule: object, binding: object) -> tuple[RuleName, BindingName | None]:
    if not isinstance(rule, str) or not isinstance(binding, str | None):
        raise PriorError("a rule or binding of the previous decision is not text")
    return _kept_name(RuleName(rule), None if binding is None else BindingName(binding))


@lru_cache(maxsize=KEPT_NAMES)  # the same in all carried states: together they are most of one
def _kept_name(rule: RuleName, binding: BindingName | None) -> tuple[RuleName, BindingName | None]:
    return rule, binding


def _read_history(failing: object, unknown: object, decisive: object) -> RuleHistory:
    if not (decisive is None or (isinstance(decisive, str) and decisive in _DECISIVE)):
        raise PriorError("the last decisive result is not one of pass, fail, waived")
    history = RuleHistory(
        failing_since=_moment(failing),
        unknown_since=_moment(unknown),
        decisive=None if decisive is None else _DECISIVE[str(decisive)],
    )
    return PASSED if history == PASSED else history


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise PriorError("a time of the previous decision is not text")
    try:
        return parse_timestamp(value)
    except InvalidTimeError as cause:
        raise PriorError(f"a time of the previous decision is {cause.message}") from cause


def _tier(value: object) -> Tier:
    if isinstance(value, str) and value in _TIERS:
        return _TIERS[value]
    raise PriorError(f"the tier of the previous decision is not one of {', '.join(_TIERS)}")


def _mapping(value: object) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    raise PriorError("the previous decision is not an object where one is expected")


def _list(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    raise PriorError("the previous decision has no list of rules")
