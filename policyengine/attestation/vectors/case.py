"""What a runner of test vectors is given and gives back: one case of an index, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.formats import Verified

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)  # when a case names no time, none matters

Case = Mapping[str, Any]
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdict on one case, the checks that failed, the facts, and the claims to compare with the index."""

    accepted: bool
    failed: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    claims: Mapping[Any, Any] = field(default_factory=dict)


# From a case, its files by name and its key among anchors to what became of it; may raise MalformedEvidenceError.
Runner = Callable[[Case, Files, TrustAnchors], Judged]


def moment(case: Case) -> datetime:
    """Return the time at which `case` is judged."""
    return datetime.fromisoformat(case["at"]) if case.get("at") else EPOCH


def nonce_of(case: Case) -> bytes:
    """Return the challenge that the verifier issued in `case`."""
    return bytes.fromhex(case.get("nonce") or "")


def judged(verified: Verified) -> Judged:
    """Return the verdict of one format on evidence."""
    return Judged(
        accepted=verified.accepted, failed=verified.failed, facts=verified.facts, claims=dict(verified.claims)
    )
