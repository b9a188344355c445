"""Decisions as JSON (DESIGN section 11): the document, its canonical bytes, and a writer for the hot path."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring

from policyengine.decision.binding import BoundRule
from policyengine.decision.facts_json import SOURCE_NAMES, json_value, quick_canonical
from policyengine.decision.findings import SeenFacts, Sights
from policyengine.decision.messages import KEPT_PATHS, Template
from policyengine.decision.messages import found as at_path
from policyengine.decision.views import Need
from policyengine.model.canonical import canonical
from policyengine.model.decision import Decision, FactSeen, Finding, Sight
from policyengine.model.facts import Provenance
from policyengine.model.ids import BindingName, Digest, RuleName, digest_of
from policyengine.model.times import format_timestamp

KEPT_FINDINGS = 8192  # findings whose text is kept; decisions share those that pass, and those that nothing changed
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
        **decision_head(decision, decision_id(decision)),
        "findings": [
            _finding(found, sight, commit) for found, sight in zip(decision.findings, decision.sights, strict=True)
        ],
    }


def decision_head(decision: Decision, name: Digest) -> dict[str, object]:
    """Return the Decision, whose id is `name`, as JSON without its findings."""
    previous = decision.previous_tier
    head: dict[str, object] = {
        "decision_id": name,
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
    document: dict[str, object] = {
        "value": _shown(seen.value),
        "source": SOURCE_NAMES[seen.source],
        "observed_at": format_timestamp(seen.observed_at),
    }
    if seen.evidence_digest is not None:
        document["evidence_digest"] = seen.evidence_digest
    return document if seen.reporter is None else {**document, "reporter": seen.reporter}


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
        self._texts: dict[int, _Said] = {}
        self._seen: dict[str, _Written] = {}

    def written(self, decision: Decision) -> bytes:
        """Return the canonical bytes of the document of `decision`."""
        findings = self.findings(decision, range(len(decision.findings)))
        head = quick_canonical({**decision_head(decision, decision_id(decision)), "findings": []}).decode()
        before, _, after = head.partition('"findings":[]')
        return f'{before}"findings":[{findings}]{after}'.encode()

    def findings(self, decision: Decision, places: Iterable[int]) -> str:
        """Return the canonical text of the findings of `decision` at `places`, with commas between."""
        if decision.bundle != self._bundle:
            self._bundle, self._fixed, self._texts, self._seen = decision.bundle, {}, {}, {}
        sights, findings = decision.sights, decision.findings
        if type(sights) is not Sights:
            return ",".join([_bytes(_finding(findings[at], sights[at], self._commit)) for at in places])
        texts = _FactTexts(sights.seen, self._seen)
        return ",".join([self._finding(findings[at], *sights.rules[at], texts) for at in places])

    def _finding(self, found: Finding, bound: BoundRule, need: Need, texts: _FactTexts) -> str:
        """Return the text of `found`; what `bound` saw is written straight, as nobody else asks for it as a Sight."""
        known = self._texts.get(id(found))
        if known is None or known[0] is not found:
            known = self._said(found, bound)
        _, start, before, template, after = known
        reads = bound.reads
        facts = texts[reads[0]] if len(reads) == 1 else ",".join([text for path in reads if (text := texts[path])])
        if template is None:
            return f"{start}{facts}{before}{after}"
        return f"{start}{facts}{before}{encode_basestring(template.filled(texts.views.of(need).shown))}{after}"

    def _said(self, found: Finding, bound: BoundRule) -> _Said:
        """Return what stands in the text of `found` around its facts and message, and remember it."""
        fixed = self._fixed.get(found.terms.name)
        if fixed is None:
            fixed = self._fixed[found.terms.name] = _Fixed(found, self._commit)
        decisive = "null" if found.decisive is None else f'"{found.decisive.value}"'
        before = (
            f'}},"failing_since":{_quoted(found.failing_since)}'
            f',"held_until":{_quoted(found.held_until)},"last_decisive":{decisive},"message":'
        )
        constant = bound.template.constant
        after = (
            f"{'' if constant is None else encode_basestring(constant)}"
            f'{fixed.middle}"reason":"{found.reason}"{fixed.remediation}"result":"{found.result.value}"'
            f'{fixed.end}"unknown_since":{_quoted(found.unknown_since)}'
            f',"waiver":{"null" if found.waiver is None else _text(found.waiver)}}}'
        )
        if len(self._texts) >= KEPT_FINDINGS:
            self._texts.clear()
        template = bound.template if constant is None else None
        # By identity, and kept alive by it: a finding is a frozen value, and slow to hash.
        known = self._texts[id(found)] = (found, fixed.start, before, template, after)
        return known


# A finding, its text before and after its facts, its message, and the rest; with the message, if that shows no fact.
_Said = tuple[Finding, str, str, Template | None, str]

_text = json.JSONEncoder(ensure_ascii=False).encode


def _quoted(moment: datetime | None) -> str:
    return "null" if moment is None else f'"{format_timestamp(moment)}"'


# The value of a fact as the last decision had it, its text, and the text before and with it.
_Written = tuple[object, str, str, str]


class _FactTexts(dict[str, str]):
    """The bytes of each fact that a decision repeats, with its path before it; empty for one that the device has not.

    A provenance is written once, for all the facts that have it; a value that the last decision of the bundle had as
    well is not written again. `written` is what that was, by the paths that the rules of the bundle read.
    """

    __slots__ = ("_before", "_facts", "_written", "views")

    def __init__(self, seen: SeenFacts, written: dict[str, _Written]) -> None:
        super().__init__()
        self.views, self._facts, self._written = seen.views, seen.views.facts, written
        self._before: dict[int, str] = {}

    def __missing__(self, path: str) -> str:
        value, key, text = at_path(self._facts.values, path), self.views.prefix(path), ""
        if value is not None and key is not None:
            kept = self._facts.provenance[key]
            before = self._before.get(id(kept))
            if before is None:
                before = self._before[id(kept)] = _before_value(kept)
            text = self._text(path, value, before)
        self[path] = text
        return text

    def _text(self, path: str, value: object, before: str) -> str:
        last = self._written.get(path)
        if last is not None and last[0] is value:  # a frozen value, kept alive here
            if last[2] == before:
                return last[3]
            said = last[1]
        else:
            said = _value_text(value)
        text = f"{encode_basestring(path)}:{before}{said}}}"
        self._written[path] = (value, said, before, text)
        return text


def _before_value(kept: Provenance) -> str:
    """Return the text of a fact up to its value, the last of its keys; nothing in it needs escaping."""
    digest = "" if kept.evidence_digest is None else f'"evidence_digest":"{kept.evidence_digest}",'
    reporter = "" if kept.reporter is None else f'"reporter":"{kept.reporter}",'
    observed, source = format_timestamp(kept.observed_at), SOURCE_NAMES[kept.source]
    return f'{{{digest}"observed_at":"{observed}",{reporter}"source":"{source}","value":'


def _value_text(value: object) -> str:
    if type(value) is str:
        return encode_basestring(value)
    plain = type(value) is bool or type(value) is int
    return _text(value) if plain else quick_canonical(_shown(value)).decode()


@lru_cache(maxsize=KEPT_PATHS)
def _key(path: str) -> str:
    """Return a fact's path as a key of an object."""
    return f"{encode_basestring(path)}:"


class _Fixed:
    """The pieces of a finding's bytes that its rule and binding fix, in the order of canonical JSON."""

    __slots__ = ("end", "middle", "remediation", "start")

    def __init__(self, found: Finding, commit: str | None) -> None:
        place = {"commit": commit, "file": found.place.file, "line": found.place.line}
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
