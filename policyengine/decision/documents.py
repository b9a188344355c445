"""Decisions as JSON (DESIGN section 11): the document, its canonical bytes, and a writer for the hot path."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from policyengine.decision.facts_json import SOURCE_NAMES, json_value, quick_canonical
from policyengine.model.canonical import canonical
from policyengine.model.decision import Decision, FactSeen, Finding, Sight
from policyengine.model.ids import BindingName, Digest, RuleName, digest_of
from policyengine.model.times import format_timestamp

MAX_SEEN = 32  # items of a list or map that a finding repeats; of a longer one it gives the count, the facts have all


def decision_id(decision: Decision) -> Digest:
    """Return the name of `decision`: the digest of its inputs `bundle facts now phase prior` as canonical JSON."""
    # Written straight: digests, a time and the name of a phase have nothing in them to escape.
    prior = "null" if decision.prior is None else f'"{decision.prior}"'
    inputs = (
        f'{{"bundle":"{decision.bundle}","facts":"{decision.facts}","now":"{format_timestamp(decision.decided_at)}"'
        f',"phase":"{decision.phase.value}","prior":{prior}}}'
    )
    return digest_of(inputs.encode())


def decision_document(decision: Decision, *, commit: str | None) -> dict[str, object]:
    """Return the Decision as JSON; `commit` is where the bundle's sources stand, it is no part of the bundle."""
    return {
        **decision_head(decision),
        "findings": [
            _finding(found, sight, commit) for found, sight in zip(decision.findings, decision.sights, strict=True)
        ],
    }


def decision_head(decision: Decision) -> dict[str, object]:
    """Return the Decision as JSON without its findings."""
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


def _finding(found: Finding, sight: Sight, commit: str | None) -> dict[str, object]:
    return {
        "rule": found.rule,
        "policy_version": found.policy_version,
        "binding": found.binding,
        "result": found.result.value,
        "reason": found.reason,
        "mode": found.mode.value,
        "action": found.action.name.lower(),
        "severity": found.severity.name.lower(),
        "message": sight.message,
        "remediation": found.remediation,
        "controls": list(found.controls),
        "source": {"file": found.place.file, "line": found.place.line, "commit": commit},
        "facts": {path: _seen(seen) for path, seen in sight.facts.items()},
        "failing_since": _time(found.failing_since),
        "unknown_since": _time(found.unknown_since),
        "held_until": _time(found.held_until),
        "last_decisive": None if found.decisive is None else found.decisive.value,
        "waiver": found.waiver,
    }


def _seen(seen: FactSeen) -> dict[str, object]:
    document = {
        "value": _shown(seen.value),
        "source": SOURCE_NAMES[seen.source],
        "observed_at": format_timestamp(seen.observed_at),
    }
    return document if seen.evidence_digest is None else {**document, "evidence_digest": seen.evidence_digest}


def _shown(value: object) -> object:
    if isinstance(value, tuple | dict) and len(value) > MAX_SEEN:
        return {"count": len(value)}
    return json_value(value)


class DecisionWriter:
    """Writes decisions of one commit as canonical bytes; what a rule fixes is rendered once per bundle.

    Its output equals `canonical(decision_document(decision, commit=commit))`.
    """

    def __init__(self, commit: str | None) -> None:
        self._commit, self._bundle = commit, ""
        self._fixed: dict[tuple[RuleName, BindingName | None], _Fixed] = {}

    def written(self, decision: Decision) -> bytes:
        """Return the canonical bytes of the document of `decision`."""
        findings = self.findings(decision, range(len(decision.findings)))
        head = quick_canonical({**decision_head(decision), "findings": []}).decode()
        before, _, after = head.partition('"findings":[]')
        return f'{before}"findings":[{findings}]{after}'.encode()

    def findings(self, decision: Decision, places: Iterable[int]) -> str:
        """Return the canonical text of the findings of `decision` at `places`, with commas between."""
        if decision.bundle != self._bundle:
            self._bundle, self._fixed = decision.bundle, {}
        seen = _SeenTexts()
        return ",".join([self._finding(decision.findings[at], decision.sights[at], seen) for at in places])

    def _finding(self, found: Finding, sight: Sight, seen: _SeenTexts) -> str:
        fixed = self._fixed.get(found.terms.name)
        if fixed is None:
            fixed = self._fixed[found.terms.name] = _Fixed(found, self._commit)
        names = fixed.names
        facts = ",".join([names[path] + (seen.get(id(fact)) or seen.of(fact)) for path, fact in sight.facts.items()])
        decisive = "null" if found.decisive is None else f'"{found.decisive.value}"'
        return (
            f'{fixed.start}{facts}}},"failing_since":{_quoted(found.failing_since)}'
            f',"held_until":{_quoted(found.held_until)},"last_decisive":{decisive},"message":{_text(sight.message)}'
            f'{fixed.middle}"reason":"{found.reason}"{fixed.remediation}"result":"{found.result.value}"'
            f'{fixed.end}"unknown_since":{_quoted(found.unknown_since)}'
            f',"waiver":{"null" if found.waiver is None else _text(found.waiver)}}}'
        )


_text = json.JSONEncoder(ensure_ascii=False).encode


def _quoted(moment: datetime | None) -> str:
    return "null" if moment is None else f'"{format_timestamp(moment)}"'


class _SeenTexts(dict[int, str]):
    """The bytes of each fact that a decision repeats, by the fact's identity; its provenance is written once."""

    __slots__ = ("_provenance",)

    def __init__(self) -> None:
        super().__init__()
        self._provenance: dict[tuple[object, ...], str] = {}

    def of(self, fact: FactSeen) -> str:
        """Return the text of `fact`, and remember it."""
        key = (fact.source, fact.observed_at, fact.evidence_digest)
        before = self._provenance.get(key)
        if before is None:
            before = self._provenance[key] = (
                quick_canonical({**_seen(fact), "value": None}).decode().removesuffix("null}")
            )
        value = fact.value
        plain = value is True or value is False or type(value) is str or type(value) is int
        text = self[id(fact)] = before + (_text(value) if plain else quick_canonical(_shown(value)).decode()) + "}"
        return text


class _Names(dict[str, str]):
    """Fact paths as keys of an object."""

    def __missing__(self, path: str) -> str:
        text = self[path] = _text(path) + ":"
        return text


class _Fixed:
    """The pieces of a finding's bytes that its rule and binding fix, in the order of canonical JSON."""

    __slots__ = ("end", "middle", "names", "remediation", "start")

    def __init__(self, found: Finding, commit: str | None) -> None:
        place = {"commit": commit, "file": found.place.file, "line": found.place.line}
        self.names = _Names()
        self.start = (
            f'{{"action":"{found.action.name.lower()}","binding":{_text(found.binding)}'
            f',"controls":{_bytes(list(found.controls))},"facts":{{'
        )
        self.middle = f',"mode":"{found.mode.value}","policy_version":{_text(found.policy_version)},'
        self.remediation = f',"remediation":{_text(found.remediation)},'
        severity = found.severity.name.lower()
        self.end = f',"rule":{_text(found.rule)},"severity":"{severity}","source":{_bytes(place)},'


def _bytes(value: object) -> str:
    return canonical(value).decode()
