"""Attestation results (draft-ietf-rats-ear, profile #03)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import KeySet

from policyengine.adapters.jws import ResultKey
from policyengine.model.decision import Decision, Tier
from policyengine.model.facts import Facts
from policyengine.model.ids import DeviceId, digest_of
from policyengine.model.policy import Phase
from policyengine.services.attestation_result import Audience, claims

NOW = datetime(2026, 11, 23, tzinfo=UTC)
AUDIENCE = Audience(issuer="policyengine", audience="gate")


def decision(*, valid_until: datetime | None = None) -> Decision:
    return Decision(
        device_id=DeviceId("gw-1"),
        decided_at=NOW,
        phase=Phase.OPERATE,
        bundle=digest_of(b"bundle"),
        facts=digest_of(b"facts"),
        prior=None,
        decided_tier=Tier.FULL,
        tier=Tier.FULL,
        previous_tier=None,
        valid_until=valid_until,
        findings=(),
        sights=(),
        reason=None,
        next_checkin_after=3600,
    )


def facts(match: str = "endorsed", *, secure: bool = True) -> Facts:
    values: dict[str, object] = {"software": ({"match": match},), "boot": {"secure": secure}}
    return Facts(device_id=DeviceId("gw-1"), values=values, provenance={})


def made(tier: Tier = Tier.FULL, **changes: object) -> dict[str, object]:
    known = facts(**changes)  # type: ignore[arg-type]
    found = claims(decision(), known, tier=tier, decision_id="sha256:1", audience=AUDIENCE)
    return dict(found["submods"]["device"])  # type: ignore[index]


@pytest.mark.parametrize(
    ("tier", "status"),
    [
        (Tier.FULL, "affirming"),
        (Tier.LIMITED, "warning"),
        (Tier.QUARANTINE, "contraindicated"),
        (Tier.DENY, "contraindicated"),
    ],
)
def test_status_follows_the_tier(tier: Tier, status: str) -> None:
    assert made(tier)["ear_status"] == status


@pytest.mark.parametrize(("match", "status"), [("unknown", "warning"), ("revoked", "contraindicated")])
def test_status_is_never_better_than_the_worst_claim(match: str, status: str) -> None:
    assert made(Tier.FULL, match=match)["ear_status"] == status


def test_result_ends_with_the_decision() -> None:
    """DESIGN section 11: the EAR expires no later than valid_until; a fraction of a second is cut, not added."""
    end = NOW + timedelta(seconds=90, milliseconds=900)
    found = claims(decision(valid_until=end), facts(), tier=Tier.FULL, decision_id="x", audience=AUDIENCE)
    assert found["exp"] == int(NOW.timestamp()) + 90


def test_claims_that_nothing_measured_are_absent() -> None:
    nothing = Facts(device_id=DeviceId("gw-1"), values={}, provenance={})
    found = claims(decision(), nothing, tier=Tier.FULL, decision_id="x", audience=AUDIENCE)
    vector = found["submods"]["device"]["ear_trustworthiness_vector"]  # type: ignore[index]
    assert vector == {"instance-identity": 2}


def test_published_key_verifies_a_signed_result() -> None:
    signer = ResultKey(ec.generate_private_key(ec.SECP256R1()))
    token = signer.sign({"eat_profile": "x", "aud": "gate"})
    keys = KeySet.import_key_set(dict(signer.jwks()))  # type: ignore[arg-type]
    assert jwt.decode(token, keys, algorithms=["ES256"]).claims["aud"] == "gate"


def test_published_keys_are_public() -> None:
    signer = ResultKey(ec.generate_private_key(ec.SECP256R1()))
    assert all("d" not in key for key in signer.jwks()["keys"])  # type: ignore[union-attr]
