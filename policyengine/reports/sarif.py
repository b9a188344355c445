"""SARIF 2.1.0 (OASIS): diagnostics as code scanners report them, with rules, regions, fixes and stable fingerprints."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from policyengine.model.diagnostic import Diagnostic, Level

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}  # section 3.27.10
_BASE = "%SRCROOT%"
_NUMBERS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Who reports."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SarifRule:
    """What a code means in one sentence, and what to do about it in Markdown."""

    meaning: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SarifResult:
    """A diagnostic and the text that would mend it in place of what it means; empty when nobody knows."""

    diagnostic: Diagnostic
    replacement: str = ""


def as_sarif(tool: Tool, rules: Mapping[str, SarifRule], results: Iterable[SarifResult], *, below: str = "") -> str:
    """Return `results` as one SARIF log; the same results give the same text.

    `rules` says what each code means; only those with a result are listed. Places are relative to the checkout's
    root, from which `below` leads to the policy repository; columns count code points from 1 (section 3.30).
    """
    found = tuple(results)
    codes = sorted({one.diagnostic.code for one in found})
    driver = {
        "name": tool.name,
        "version": tool.version,
        "semanticVersion": tool.version,
        "rules": [_rule(code, rules[code]) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"description": {"text": "The root of the checkout."}}},
        "results": _results(found, codes, below),
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _rule(code: str, rule: SarifRule) -> dict[str, object]:
    return {
        "id": code,
        "shortDescription": {"text": rule.meaning},
        "help": {"text": rule.help, "markdown": rule.help},
    }


def _results(found: Sequence[SarifResult], codes: Sequence[str], below: str) -> list[dict[str, object]]:
    seen: Counter[str] = Counter()
    shown = []
    for one in found:
        alike = _alike(one.diagnostic)
        place = _artifact(one.diagnostic, below)
        shown.append(_result(one, codes.index(one.diagnostic.code), place, f"{alike}:{seen[alike]}"))
        seen[alike] += 1
    return shown


def _alike(one: Diagnostic) -> str:
    """Return a digest that stays when the file's lines move: of code, file and message without its numbers."""
    text = "\n".join((one.code, one.file, _NUMBERS.sub("", one.message)))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _result(one: SarifResult, index: int, artifact: Mapping[str, object], fingerprint: str) -> dict[str, object]:
    diagnostic = one.diagnostic
    advice = f"\n{diagnostic.help}" if diagnostic.help else ""
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": f"{diagnostic.message}{advice}"},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": _region(diagnostic)}}],
        "partialFingerprints": {"policyengine/v1": fingerprint},
    }
    if one.replacement and diagnostic.end_column:
        result["fixes"] = [_fix(one, artifact)]
    return result


def _artifact(one: Diagnostic, below: str) -> dict[str, object]:
    path = f"{below}/{one.file}" if below else one.file
    return {"uri": quote(path, safe="/", errors="backslashreplace"), "uriBaseId": _BASE}


def _region(one: Diagnostic) -> dict[str, object]:
    region: dict[str, object] = {"startLine": one.line, "startColumn": one.column}
    return {**region, "endColumn": one.end_column} if one.end_column else region


def _fix(one: SarifResult, artifact: Mapping[str, object]) -> dict[str, object]:
    replacement = {"deletedRegion": _region(one.diagnostic), "insertedContent": {"text": one.replacement}}
    change = {"artifactLocation": artifact, "replacements": [replacement]}
    return {"description": {"text": f"write `{one.replacement}`"}, "artifactChanges": [change]}
