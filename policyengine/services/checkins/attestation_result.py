"""Attestation results as an EAR (draft-ietf-rats-ear, profile #03): what relying parties get to see of a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.attestation.formats import Freshness, Verified
from policyengine.model.decision import Decision, Tier
from policyengine.model.facts import Facts
from policyengine.services.checkins.trustworthiness import Status, status_of, vector_of

PROFILE = "tag:ietf.org,2026:rats/ear#03"
MAX_LIFETIME = timedelta(hours=24)  # a result without a nearer end is asked for again every day
BUILD = "policyengine-0.1"
_RECOGNISED = 2  # a device that was decided on is one of the registry's, by its own key

_STATUS = {
    Tier.FULL: Status.AFFIRMING,
    Tier.LIMITED: Status.WARNING,
    Tier.QUARANTINE: Status.CONTRAINDICATED,
    Tier.DENY: Status.CONTRAINDICATED,
}
DEVICE = "device"  # the submodule of the whole decision; those of single pieces of evidence are named by format


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who issues results and for whom: `issuer` is this verifier, `audience` its relying parties."""

    issuer: str
    audience: str


def claims(
    decision: Decision,
    facts: Facts,
    *,
    tier: Tier,
    decision_id: str,
    audience: Audience,
    items: Sequence[Verified] = (),
) -> Mapping[str, object]:
    """Return the EAR's claims; it ends with the decision, and no status is better than its worst claim.

    Submodule `device` is the decision. Each of `items`, the believed evidence, has its own: what it shows by itself.
    """
    issued = int(decision.decided_at.timestamp())
    return {
        "eat_profile": PROFILE,
        "iss": audience.issuer,
        "aud": audience.audience,
        "sub": decision.device_id,
        "jti": decision_id,
        "iat": issued,
        "exp": max(int(_end(decision).timestamp()), issued),
        "ear_verifier_id": {"developer": "policyengine", "build": BUILD},
        "submods": {DEVICE: _device(decision, facts, tier)} | _submodules(items),
    }


def _device(decision: Decision, facts: Facts, tier: Tier) -> Mapping[str, object]:
    evidence = facts.values.get("evidence")
    fresh = isinstance(evidence, Mapping) and evidence.get("fresh") is True
    vector = {"instance-identity": _RECOGNISED} | vector_of(facts.values)
    return {
        "ear_status": max(_STATUS[tier], _at_best(vector, fresh=fresh)).word,
        "ear_trustworthiness_vector": vector,
        "ear_appraisal_policy_ids": [decision.bundle],
        "policyengine_tier": tier.name.lower(),
    }


def _at_best(vector: Mapping[str, int], *, fresh: bool) -> Status:
    """Return the status for a device; one whose evidence is not fresh is warned of, since a decision affirms or not."""
    return status_of(vector, fresh=True) if fresh else max(status_of(vector, fresh=False), Status.WARNING)


def _submodules(items: Sequence[Verified]) -> dict[str, object]:
    named: dict[str, object] = {}
    for item in items:
        evidence = item.facts.get("evidence")
        format_ = str(evidence.get("format")) if isinstance(evidence, Mapping) else "evidence"
        name = format_ if format_ not in named else f"{format_}-{len(named) + 1}"
        vector = vector_of(item.facts)
        named[name] = {
            "ear_status": status_of(vector, fresh=item.freshness is not Freshness.NONE).word,
            "ear_trustworthiness_vector": vector,
            "policyengine_evidence": item.digest,
        }
    return named


def _end(decision: Decision) -> datetime:
    latest = decision.decided_at + MAX_LIFETIME
    return latest if decision.valid_until is None else min(decision.valid_until, latest)
