"""Why a decision is as it is: each finding that is not a pass, with its rule, place, facts and way out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policyengine.model.decision import Tier
from policyengine.model.expression import facts_read
from policyengine.model.ids import PolicyName
from policyengine.model.policy import Bundle, Rule
from policyengine.services.checkins.replies import restriction_document
from policyengine.services.records import Restriction

Finding = Mapping[str, Any]

_ORDER = {"fail": 0, "unknown": 1, "waived": 2}
_UNDECIDED = {
    "fact.absent": "a fact it reads is missing",
    "fact.stale": "a fact it reads is too old",
    "fact.weak": "a fact it reads comes from too weak a source",
    "fact.incomplete": "a list it reads may lack items",
    "selector.unknown": "the registry does not say whether the rule is about this device",
}
MAX_SHOWN = 160  # characters of one fact in a sentence; `facts` has all of it
_SEVERITIES = {"critical": 0, "high": 1, "medium": 2, "low": 3, "info": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a decision is as it is; `document` is plain JSON (docs/storage.md), `text` the same for a person."""

    document: Mapping[str, object]
    text: str


def explain(decision: Mapping[str, Any], bundle: Bundle, restriction: Restriction | None) -> Explanation:
    """Return the explanation of a Decision document made by `bundle`."""
    findings = sorted(
        (found for found in decision["findings"] if found["result"] in _ORDER),
        key=lambda found: (not _is_decisive(found, decision), _ORDER[found["result"]], _SEVERITIES[found["severity"]]),
    )
    reasons = [_reason(found, decision, _rule(found, bundle)) for found in findings]
    kept = ("decision_id", "device_id", "decided_at", "phase", "bundle", "decided_tier", "tier", "valid_until")
    document: dict[str, object] = {key: decision[key] for key in kept}
    document |= {"reason": decision.get("reason"), "passed": _count(decision, "pass"), "because": reasons}
    if restriction is not None:
        document["restriction"] = {**restriction_document(restriction), "actor": restriction.actor}
        document["tier"] = max(Tier[decision["tier"].upper()], restriction.tier).name.lower()
    return Explanation(document=document, text=_text(document, reasons))


def _is_decisive(found: Finding, decision: Mapping[str, Any]) -> bool:
    """Tell whether the finding asks for the tier that was decided."""
    acts = found["mode"] == "enforce" and found["result"] in {"fail", "unknown"} and found["held_until"] is None
    return bool(acts and found["action"] == decision["decided_tier"])


def _rule(found: Finding, bundle: Bundle) -> Rule | None:
    name, _, rule_id = str(found["rule"]).partition("#")
    policy = bundle.policies.get(PolicyName(name))
    rules = () if policy is None else policy.rules
    return next((rule for rule in rules if rule.id == rule_id), None)


def _reason(found: Finding, decision: Mapping[str, Any], rule: Rule | None) -> dict[str, object]:
    keys = (
        *("rule", "binding", "result", "reason", "mode", "action", "severity", "message", "remediation"),
        *("source", "facts", "failing_since", "held_until", "waiver", "controls"),
    )
    missing = (
        [] if rule is None else sorted({".".join(path) for path in facts_read(rule.require)} - set(found["facts"]))
    )
    requires = None if rule is None else " ".join(rule.text.split())
    return {key: found[key] for key in keys} | {
        "decisive": _is_decisive(found, decision),
        "requires": requires,
        "missing": missing,
        "change": _change(found, requires, missing),
    }


def undecided(reason: str) -> str:
    """Return in words why a finding with the reason code `reason` is unknown."""
    return _UNDECIDED.get(reason, "its condition could not be computed")


def _change(found: Finding, requires: str | None, missing: Sequence[str]) -> str:
    """Return what would have to change for this finding to pass."""
    wanted = "the rule must hold" if requires is None else f"`{requires}` must hold"
    seen = [f"{path} is {_shown(fact['value'])} ({fact['source']})" for path, fact in found["facts"].items()]
    seen += [f"{path} is missing" for path in missing]
    if found["result"] == "unknown":
        wanted += f", but {undecided(found['reason'])}"
    return f"{wanted}; now {', '.join(seen)}" if seen else wanted


def _shown(value: object) -> str:
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return f"a list of {len(value)}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def _count(decision: Mapping[str, Any], result: str) -> int:
    return sum(found["result"] == result for found in decision["findings"])


def _text(document: Mapping[str, object], reasons: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"{document['device_id']} is {document['tier']} (rules say {document['decided_tier']})"]
    lines.append(f"decided {document['decided_at']} by bundle {document['bundle']}")
    if document["reason"] is not None:
        lines.append(f"because of {document['reason']}")
    restriction = document.get("restriction")
    if isinstance(restriction, Mapping):
        lines.append(f"{restriction['actor']} put it at {restriction['tier']}: {restriction['reason']}")
    for reason in reasons:
        lines.extend(_lines(reason))
    lines.append(f"{document['passed']} findings passed")
    return "\n".join(lines)


def _lines(reason: Mapping[str, Any]) -> list[str]:
    source = reason["source"]
    place = f"{source['file']}:{source['line']}" + (f" at {source['commit']}" if source["commit"] else "")
    lines = [
        f"- {reason['rule']}: {reason['result']} ({reason['reason']}), {reason['mode']} {reason['action']}, {place}",
        f"  {undecided(reason['reason']) if reason['result'] == 'unknown' else reason['message']}",
        f"  to pass: {reason['change']}",
    ]
    if reason["remediation"]:
        lines.append(f"  remedy: {reason['remediation']}")
    digests = {seen["evidence_digest"] for seen in reason["facts"].values() if "evidence_digest" in seen}
    reporters = {seen["reporter"] for seen in reason["facts"].values() if "reporter" in seen}
    lines += [f"  by the word of gateway {reporter}" for reporter in sorted(reporters)]
    return lines + [f"  evidence: {digest}" for digest in sorted(digests)]
