"""Attestation results as an EAR (draft-ietf-rats-ear, profile #03): what relying parties get to see of a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.model.decision import Decision, Tier
from policyengine.model.facts import Facts

PROFILE = "tag:ietf.org,2026:rats/ear#03"
MAX_LIFETIME = timedelta(hours=24)  # a result without a nearer end is asked for again every day
BUILD = "policyengine-0.1"

_STATUS = {Tier.FULL: 2, Tier.LIMITED: 32, Tier.QUARANTINE: 96, Tier.DENY: 96}
_NAMES = {0: "none", 2: "affirming", 32: "warning", 96: "contraindicated"}

# AR4SI (draft-ietf-rats-ar4si) claim values, by what we measure
_APPROVED_RUNTIME, _UNRECOGNIZED_RUNTIME, _CONTRAINDICATED_RUNTIME = 2, 33, 96
_GENUINE_HARDWARE, _UNSAFE_HARDWARE = 2, 32
_TRUSTED_IDENTITY = 2
_MATCHES = {
    "endorsed": _APPROVED_RUNTIME,
    "unknown": _UNRECOGNIZED_RUNTIME,
    "revoked": _CONTRAINDICATED_RUNTIME,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who issues results and for whom: `issuer` is this verifier, `audience` its relying parties."""

    issuer: str
    audience: str


def claims(
    decision: Decision, facts: Facts, *, tier: Tier, decision_id: str, audience: Audience
) -> Mapping[str, object]:
    """Return the EAR's claims; it ends with the decision, and its status is never better than its worst claim."""
    vector = _trustworthiness(facts)
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
        "submods": {
            "device": {
                "ear_status": _NAMES[max(_STATUS[tier], _worst(vector))],
                "ear_trustworthiness_vector": vector,
                "ear_appraisal_policy_ids": [decision.bundle],
                "policyengine_tier": tier.name.lower(),
            }
        },
    }


def _end(decision: Decision) -> datetime:
    latest = decision.decided_at + MAX_LIFETIME
    return latest if decision.valid_until is None else min(decision.valid_until, latest)


def _trustworthiness(facts: Facts) -> dict[str, int]:
    vector = {"instance-identity": _TRUSTED_IDENTITY}
    software = facts.values.get("software")
    if isinstance(software, tuple) and software:
        vector["executables"] = max(_MATCHES.get(str(part.get("match")), 0) for part in software)
    boot = facts.values.get("boot")
    if isinstance(boot, Mapping) and isinstance(boot.get("secure"), bool):
        vector["hardware"] = _GENUINE_HARDWARE if boot["secure"] else _UNSAFE_HARDWARE
    return vector


def _worst(vector: Mapping[str, int]) -> int:
    """Return the tier of the worst claim (AR4SI section 2.3.2): below 32 affirming, below 96 warning."""
    worst = max(vector.values())
    if worst >= 96:
        return 96
    return 32 if worst >= 32 else 2
