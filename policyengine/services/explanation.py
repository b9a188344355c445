"""Why a decision is as it is: each finding that is not a pass, with its rule, place, facts and way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policyengine.model.ids import PolicyName
from policyengine.model.policy import Bundle
from policyengine.services.records import Restriction
from policyengine.services.replies import restriction_document

Finding = Mapping[str, Any]

_ORDER = {"fail": 0, "unknown": 1, "waived": 2}
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
    reasons = [_reason(found, decision, _requirement(found, bundle)) for found in findings]
    kept = ("decision_id", "device_id", "decided_at", "phase", "bundle", "decided_tier", "tier", "valid_until")
    document: dict[str, object] = {key: decision[key] for key in kept}
    document |= {"reason": decision.get("reason"), "passed": _count(decision, "pass"), "because": reasons}
    if restriction is not None:
        document["restriction"] = {**restriction_document(restriction), "actor": restriction.actor}
    return Explanation(document=document, text=_text(document, reasons))


def _is_decisive(found: Finding, decision: Mapping[str, Any]) -> bool:
    """Tell whether the finding asks for the tier that was decided."""
    acts = found["mode"] == "enforce" and found["result"] in {"fail", "unknown"} and found["held_until"] is None
    return bool(acts and found["action"] == decision["decided_tier"])


def _requirement(found: Finding, bundle: Bundle) -> str | None:
    name, _, rule_id = str(found["rule"]).partition("#")
    policy = bundle.policies.get(PolicyName(name))
    rules = () if policy is None else policy.rules
    return next((rule.text for rule in rules if rule.id == rule_id), None)


def _reason(found: Finding, decision: Mapping[str, Any], requires: str | None) -> dict[str, object]:
    keys = (
        *("rule", "binding", "result", "reason", "mode", "action", "severity", "message", "remediation"),
        *("source", "facts", "failing_since", "held_until", "waiver", "controls"),
    )
    return {key: found[key] for key in keys} | {
        "decisive": _is_decisive(found, decision),
        "requires": requires,
        "change": _change(found, requires),
    }


def _change(found: Finding, requires: str | None) -> str:
    """Return what would have to change for this finding to pass."""
    if found["result"] == "unknown" and not found["facts"]:
        return (
            f"evidence that gives the facts of `{requires}`" if requires else "evidence that gives the facts it reads"
        )
    values = ", ".join(f"{path} is {_shown(seen['value'])} ({seen['source']})" for path, seen in found["facts"].items())
    return f"`{requires}` must hold; now {values}" if requires else f"now {values}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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
        f"  {reason['message']}",
        f"  to pass: {reason['change']}",
    ]
    if reason["remediation"]:
        lines.append(f"  remedy: {reason['remediation']}")
    digests = {seen["evidence_digest"] for seen in reason["facts"].values() if "evidence_digest" in seen}
    return lines + [f"  evidence: {digest}" for digest in sorted(digests)]
