"""Decisions as JSON (DESIGN section 11): the document, its canonical bytes, and a writer for the hot path."""

from __future__ import annotations

import json
from datetime import datetime

from policyengine.decision.facts_json import json_value, quick_canonical
from policyengine.model.canonical import canonical
from policyengine.model.decision import Decision, FactSeen, Finding
from policyengine.model.ids import BindingName, Digest, RuleName, digest_of
from policyengine.model.times import format_timestamp

MAX_SEEN = 32  # items of a list or map that a finding repeats; of a longer one it gives the count, the facts have all


def decision_id(decision: Decision) -> Digest:
    """Return the name of `decision`: the digest of its inputs `bundle facts now phase prior` as canonical JSON."""
    inputs = {
        "bundle": decision.bundle,
        "facts": decision.facts,
        "now": format_timestamp(decision.decided_at),
        "phase": decision.phase.value,
        "prior": decision.prior,
    }
    return digest_of(quick_canonical(inputs))


def decision_document(decision: Decision, *, commit: str | None) -> dict[str, object]:
    """Return the Decision as JSON; `commit` is where the bundle's sources stand, it is no part of the bundle."""
    return {
        **_head(decision),
        "findings": [_finding(found, commit) for found in decision.findings],
    }


def _head(decision: Decision) -> dict[str, object]:
    previous = decision.previous_tier
    head: dict[str, object] = {
        "decision_id": decision_id(decision),
        "device_id": decision.device_id,
        "decided_at": format_timestamp(decision.decided_at),
        "phase": decision.phase.value,
        "bundle": decision.bundle,
        "facts": decision.facts,
        "prior": decision.prior,
        "decided_tier": decision.decided_tier.name.lower(),
        "tier": decision.tier.name.lower(),
        "previous_tier": None if previous is None else previous.name.lower(),
        "valid_until": _time(decision.valid_until),
        "delayed_actions": [],
        "next_checkin_after": decision.next_checkin_after,
    }
    return head if decision.reason is None else {**head, "reason": decision.reason}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_timestamp(moment)


def _finding(found: Finding, commit: str | None) -> dict[str, object]:
    return {
        "rule": found.rule,
        "policy_version": found.policy_version,
        "binding": found.binding,
        "result": found.result.value,
        "reason": found.reason,
        "mode": found.mode.value,
        "action": found.action.name.lower(),
        "severity": found.severity.name.lower(),
        "message": found.message,
        "remediation": found.remediation,
        "controls": list(found.controls),
        "source": {"file": found.place.file, "line": found.place.line, "commit": commit},
        "facts": {path: _seen(seen) for path, seen in found.facts.items()},
        "failing_since": _time(found.failing_since),
        "unknown_since": _time(found.unknown_since),
        "held_until": _time(found.held_until),
        "last_decisive": None if found.decisive is None else found.decisive.value,
        "waiver": found.waiver,
    }


def _seen(seen: FactSeen) -> dict[str, object]:
    document = {
        "value": _shown(seen.value),
        "source": seen.source.name.lower(),
        "observed_at": format_timestamp(seen.observed_at),
    }
    return document if seen.evidence_digest is None else {**document, "evidence_digest": seen.evidence_digest}


def _shown(value: object) -> object:
    if isinstance(value, tuple | dict) and len(value) > MAX_SEEN:
        return {"count": len(value)}
    return json_value(value)


class DecisionWriter:
    """Writes decisions of one bundle and commit as canonical bytes; what a rule fixes is rendered once.

    Its output equals `canonical(decision_document(decision, commit=commit))`.
    """

    def __init__(self, commit: str | None) -> None:
        self._commit = commit
        self._fixed: dict[tuple[RuleName, BindingName | None], _Fixed] = {}

    def written(self, decision: Decision) -> bytes:
        """Return the canonical bytes of the document of `decision`."""
        seen: dict[int, str] = {}
        findings = ",".join([self._finding(found, seen) for found in decision.findings])
        head = quick_canonical({**_head(decision), "findings": []}).decode()
        before, _, after = head.partition('"findings":[]')
        return f'{before}"findings":[{findings}]{after}'.encode()

    def _finding(self, found: Finding, seen: dict[int, str]) -> str:
        fixed = self._fixed.get((found.rule, found.binding))
        if fixed is None or not fixed.fits(found):
            fixed = self._fixed[found.rule, found.binding] = _Fixed(found, self._commit)
        facts = ",".join(
            [f"{_text(path)}:{seen.get(id(fact)) or _remembered(fact, seen)}" for path, fact in found.facts.items()]
        )
        decisive = "null" if found.decisive is None else f'"{found.decisive.value}"'
        message = fixed.message if found.message is fixed.source.message else _text(found.message)
        return (
            f'{fixed.start}{facts}}},"failing_since":{_quoted(found.failing_since)}'
            f',"held_until":{_quoted(found.held_until)},"last_decisive":{decisive},"message":{message}'
            f'{fixed.middle}"reason":"{found.reason}"{fixed.remediation}"result":"{found.result.value}"'
            f'{fixed.end}"unknown_since":{_quoted(found.unknown_since)}'
            f',"waiver":{"null" if found.waiver is None else _text(found.waiver)}}}'
        )


def _remembered(fact: FactSeen, seen: dict[int, str]) -> str:
    text = seen[id(fact)] = quick_canonical(_seen(fact)).decode()
    return text


def _quoted(moment: datetime | None) -> str:
    return "null" if moment is None else f'"{format_timestamp(moment)}"'


def _text(value: object) -> str:
    return canonical(value).decode() if not isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class _Fixed:
    """The pieces of a finding's bytes that its rule and binding fix, in the order of canonical JSON."""

    __slots__ = ("end", "message", "middle", "remediation", "source", "start")

    def __init__(self, found: Finding, commit: str | None) -> None:
        place = {"commit": commit, "file": found.place.file, "line": found.place.line}
        self.source = found
        self.start = (
            f'{{"action":{_text(found.action.name.lower())},"binding":{_text(found.binding)}'
            f',"controls":{_text(list(found.controls))},"facts":{{'
        )
        self.message = _text(found.message)
        self.middle = f',"mode":{_text(found.mode.value)},"policy_version":{_text(found.policy_version)},'
        self.remediation = f',"remediation":{_text(found.remediation)},'
        self.end = (
            f',"rule":{_text(found.rule)},"severity":{_text(found.severity.name.lower())},"source":{_text(place)},'
        )

    def fits(self, found: Finding) -> bool:
        """Return whether `found` comes from the same text as the finding rendered first."""
        own = self.source
        return (
            own.place is found.place
            and own.controls is found.controls
            and own.action is found.action
            and own.mode is found.mode
            and own.severity is found.severity
            and own.policy_version == found.policy_version
            and own.remediation == found.remediation
        )
