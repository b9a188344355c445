"""Attestation results (draft-ietf-rats-ear, profile #03)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet

from policyengine.adapters.jws import ResultKey
from policyengine.attestation.formats import Freshness
from policyengine.model.decision import Decision, Tier
from policyengine.model.facts import Facts
from policyengine.model.ids import DeviceId, digest_of
from policyengine.model.policy import Phase
from policyengine.services.checkins.attestation_result import Audience, claims
from tests.unit.attestation import psa_device

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
    values: dict[str, object] = {
        "software": ({"match": match},),
        "boot": {"secure": secure},
        "evidence": {"fresh": True},
    }
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


def test_a_device_without_fresh_evidence_is_never_affirmed() -> None:
    """RFC 9334 section 10."""
    stale = Facts(device_id=DeviceId("gw-1"), values={"evidence": {"fresh": False}}, provenance={})
    found = claims(decision(), stale, tier=Tier.FULL, decision_id="x", audience=AUDIENCE)
    assert found["submods"]["device"]["ear_status"] == "warning"  # type: ignore[index]


@pytest.mark.parametrize(("freshness", "status"), [(Freshness.NONCE, "affirming"), (Freshness.NONE, "none")])
def test_evidence_has_a_submodule_of_its_own_and_affirms_only_if_its_format_is_fresh(
    freshness: Freshness, status: str
) -> None:
    item = psa_device.verified(psa_device.token())._replace(freshness=freshness)
    found = claims(decision(), facts(), tier=Tier.FULL, decision_id="x", audience=AUDIENCE, items=(item,))
    psa = found["submods"]["psa"]  # type: ignore[index]
    assert (psa["ear_status"], psa["policyengine_evidence"]) == (status, item.digest)


_groups = st.fixed_dictionaries(
    {},
    optional={
        "software": st.lists(
            st.fixed_dictionaries({"match": st.sampled_from(["endorsed", "unknown", "revoked", "none", 7])}), max_size=3
        ),
        "boot": st.fixed_dictionaries(
            {},
            optional={
                "secure": st.sampled_from([True, False, None]),
                "debug": st.sampled_from(["enabled", "disabled", "permanent-off", 1]),
                "lifecycle": st.sampled_from(["secured", "debug", "provisioning", "decommissioned"]),
            },
        ),
        "identity": st.fixed_dictionaries(
            {"kind": st.sampled_from(["ak", "token", "idevid"])}, optional={"verified": st.booleans()}
        ),
        "evidence": st.fixed_dictionaries({"fresh": st.booleans()}),
    },
)
_RANK = ["none", "affirming", "warning", "contraindicated"]


@given(_groups, st.sampled_from(Tier))
@settings(max_examples=200)
def test_no_status_is_better_than_the_worst_claim_the_tier_or_the_freshness(
    values: dict[str, object], tier: Tier
) -> None:
    """draft-ietf-rats-ear section 3.2; AR4SI claims are in -128..127."""
    known = Facts(device_id=DeviceId("gw-1"), values=values, provenance={})
    found = claims(decision(), known, tier=tier, decision_id="x", audience=AUDIENCE)["submods"]["device"]  # type: ignore[index]
    vector = found["ear_trustworthiness_vector"]
    assert all(-128 <= value <= 127 for value in vector.values())
    worst = max(vector.values())
    rank = _RANK.index(found["ear_status"])
    assert rank >= (3 if worst >= 96 else 2 if worst >= 32 else 1)
    assert rank >= {Tier.FULL: 1, Tier.LIMITED: 2}.get(tier, 3)
    assert rank >= 2 or values.get("evidence") == {"fresh": True}


def test_published_key_verifies_a_signed_result() -> None:
    signer = ResultKey(ec.generate_private_key(ec.SECP256R1()))
    token = signer.sign({"eat_profile": "x", "aud": "gate"})
    keys = KeySet.import_key_set(dict(signer.jwks()))  # type: ignore[arg-type]
    assert jwt.decode(token, keys, algorithms=["ES256"]).claims["aud"] == "gate"


def test_published_keys_are_public() -> None:
    signer = ResultKey(ec.generate_private_key(ec.SECP256R1()))
    assert all("d" not in key for key in signer.jwks()["keys"])  # type: ignore[union-attr]
