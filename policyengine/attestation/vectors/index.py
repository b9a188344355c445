"""Test vectors of an index, one at a time: the bytes of a case to a verdict, compared with what the index expects.

An index is a list of cases `{id, format, files, key, nonce, at, expect, reason, claims}`; `expect` and `claims` may be
absent. A case that this release cannot judge is skipped with its reason, never passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policyengine.attestation import cbor, pop
from policyengine.attestation.anchor_files import load_anchors
from policyengine.attestation.anchors import SharedKey, TrustAnchors
from policyengine.attestation.documents import plain
from policyengine.attestation.errors import MalformedEvidenceError, TrustAnchorError
from policyengine.attestation.psa import appraisal as psa
from policyengine.attestation.vectors import cca as cca_vectors
from policyengine.attestation.vectors import cmw as cmw_vectors
from policyengine.attestation.vectors import corim as corim_vectors
from policyengine.attestation.vectors import cose as cose_vectors
from policyengine.attestation.vectors import dice as dice_vectors
from policyengine.attestation.vectors import ear as ear_vectors
from policyengine.attestation.vectors import eat as eat_vectors
from policyengine.attestation.vectors import tpm as tpm_vectors
from policyengine.attestation.vectors.case import Case, Files, Judged, Runner, judged, moment, nonce_of
from policyengine.attestation.verifier import verify

_read_strictly = cbor.reader()


def _evidence(media_type: str) -> Runner:
    """Return a runner of cases whose only file is evidence of `media_type`."""

    def run_case(case: Case, files: Files, anchors: TrustAnchors) -> Judged:
        found = verify(
            files[case["files"][0]],
            media_type=media_type,
            nonce=nonce_of(case),
            anchors=anchors,
            endorsements=None,
            now=moment(case),
        )
        return judged(found)

    return run_case


def _hardening(case: Case, files: Files, _anchors: TrustAnchors) -> Judged:
    _read_strictly(files[case["files"][0]])
    return Judged(accepted=True)


# By the `format` of a case. What a format's files and keys mean is its runner's to know.
RUNNERS: Mapping[str, Runner] = {
    "cbor-hardening": _hardening,
    "cca": cca_vectors.judge,
    "cmw": cmw_vectors.judge,
    "cose": cose_vectors.judge,
    "corim": corim_vectors.judge,
    "dice": dice_vectors.judge,
    "ear": ear_vectors.judge,
    "eat": eat_vectors.judge,
    "pop": _evidence(pop.MEDIA_TYPE),
    "psa": _evidence(psa.MEDIA_TYPE),
    **dict.fromkeys(tpm_vectors.FORMATS, tpm_vectors.judge),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What became of one case. `accepted` is None when it was skipped; `problem` says what was not as expected."""

    id: str
    accepted: bool | None
    failed: tuple[str, ...]
    facts: Mapping[str, object]
    skipped: str | None = None
    problem: str | None = None


def anchors_of(key: str, content: bytes) -> TrustAnchors:
    """Return what the key file of a case makes trusted: `*.bin` is a shared secret, all else keys and certificates."""
    if key.endswith(".bin"):
        return TrustAnchors(secrets=(SharedKey(secret=content),))
    return load_anchors([content])


def skipped(case: Mapping[str, Any]) -> str | None:
    """Return why `case` cannot be judged here, or None."""
    if case.get("format") not in RUNNERS:
        return "format not supported in this release"
    if not isinstance(case.get("files"), list):
        return "no list of files"
    return None


def run(case: Case, files: Files, anchors: TrustAnchors) -> CaseResult:
    """Return the result of `case` with its `files` by name and its key in `anchors`."""
    try:
        found = RUNNERS[case["format"]](case, files, anchors)
    except (MalformedEvidenceError, TrustAnchorError) as error:  # one case's bad file is no reason to judge no other
        found = Judged(accepted=False, failed=(error.code,))
    problem = _problem(case, accepted=found.accepted, claims=found.claims)
    return CaseResult(
        id=str(case.get("id")), accepted=found.accepted, failed=found.failed, facts=found.facts, problem=problem
    )


def _problem(case: Mapping[str, Any], *, accepted: bool, claims: Mapping[Any, Any]) -> str | None:
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
