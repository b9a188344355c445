"""Test vectors of an index, one at a time: the bytes of a case to a verdict, compared with what the index expects.

An index is a list of cases `{id, format, files, key, nonce, at, expect, reason, claims}`; `expect` and `claims` may be
absent. A case that this release cannot judge is skipped with its reason, never passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from policyengine.attestation import cbor, pop, tpm_vectors
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.documents import plain
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.verifier import verify

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)  # when a case names no time, none matters

_MEDIA_TYPES = {"psa": "application/eat+cwt", "pop": pop.MEDIA_TYPE}
_read_strictly = cbor.reader()
HARDENING = "cbor-hardening"
FORMATS = (*_MEDIA_TYPES, HARDENING, *tpm_vectors.FORMATS)
# Profiles of PSA tokens that came before RFC 9783: refused by `psa.profile`, so their good cases cannot pass.
_OLDER_PROFILES = frozenset({"http://arm.com/psa/2.0.0", "PSA_IOT_PROFILE_1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What became of one case. `accepted` is None when it was skipped; `problem` says what was not as expected."""

    id: str
    accepted: bool | None
    failed: tuple[str, ...]
    facts: Mapping[str, object]
    skipped: str | None = None
    problem: str | None = None


def skipped(case: Mapping[str, Any]) -> str | None:
    """Return why `case` cannot be judged here, or None."""
    if case.get("format") not in FORMATS:
        return "format not supported in this release"
    files = case.get("files")
    if not isinstance(files, list) or (len(files) != 1 and case["format"] not in tpm_vectors.FORMATS):
        return "more than one file"
    claims = case.get("claims")
    profile = claims.get("profile") if isinstance(claims, dict) else None
    if case.get("expect") == "accept" and profile in _OLDER_PROFILES:
        return "profile not supported in this release"
    return None


def run(case: Mapping[str, Any], files: Mapping[str, bytes], anchors: TrustAnchors) -> CaseResult:
    """Return the result of `case` with its `files` by name and its key in `anchors`."""
    try:
        if case["format"] in tpm_vectors.FORMATS:
            accepted, failed, facts, claims = tpm_vectors.judged(case, files)
        else:
            accepted, failed, facts, claims = _judged(case, files[case["files"][0]], anchors)
    except MalformedEvidenceError as error:
        accepted, failed, facts, claims = False, (error.code,), {}, {}
    problem = _problem(case, accepted=accepted, claims=claims)
    return CaseResult(id=str(case.get("id")), accepted=accepted, failed=failed, facts=facts, problem=problem)


def _judged(
    case: Mapping[str, Any], evidence: bytes, anchors: TrustAnchors
) -> tuple[bool, tuple[str, ...], Mapping[str, object], Mapping[str, object]]:
    if case["format"] == HARDENING:
        _read_strictly(evidence)
        return True, (), {}, {}
    verified = verify(
        evidence,
        media_type=_MEDIA_TYPES[case["format"]],
        nonce=bytes.fromhex(case.get("nonce") or ""),
        anchors=anchors,
        endorsements=None,
        now=datetime.fromisoformat(case["at"]) if case.get("at") else EPOCH,
    )
    return verified.accepted, verified.failed, verified.facts, verified.claims


def _problem(case: Mapping[str, Any], *, accepted: bool, claims: Mapping[str, object]) -> str | None:
    expected = case.get("expect")
    verdict = "accept" if accepted else "reject"
    if expected is not None and expected != verdict:
        return f"expected {expected}, seen {verdict}"
    difference = _difference(case.get("claims") or {}, plain(claims)) if accepted else None
    return f"claims differ at {difference}" if difference else None


def _difference(expected: Any, seen: Any, path: str = "") -> str | None:
    """Return the path of the first value in `expected` that `seen` does not have; null there means absent."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        found = (_difference(value, seen.get(key), f"{path}.{key}") for key, value in expected.items())
        return next((each for each in found if each), None)
    if isinstance(expected, list) and isinstance(seen, list) and len(expected) == len(seen):
        pairs = enumerate(zip(expected, seen, strict=True))
        found = (_difference(left, right, f"{path}[{index}]") for index, (left, right) in pairs)
        return next((each for each in found if each), None)
    return None if _bare(expected) == _bare(seen) else path or "the top"


def _bare(value: Any) -> Any:
    """Return `value`, byte strings without the mark that some indexes leave out."""
    return value.removeprefix("hex:") if isinstance(value, str) else value
