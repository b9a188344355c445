"""Test vectors of the format `cca`: a token in tag 399, judged as its platform's own profile announces it."""

from __future__ import annotations

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cca import appraisal as cca
from policyengine.attestation.cca import claims as cca_claims
from policyengine.attestation.vectors.case import Case, Files, Judged, moment, nonce_of


def judge(case: Case, files: Files, anchors: TrustAnchors) -> Judged:
    """Return what became of `case`; its claims are those of both tokens, and whether they are bound."""
    (name,) = case["files"]
    found = cca.appraise(
        files[name],
        media_type=cca.ANY_PROFILE,
        nonce=nonce_of(case),
        anchors=anchors,
        endorsements=None,
        now=moment(case),
    )
    platform, realm = found.decoded["platform"], found.decoded["realm"]
    shown = {
        "platform": platform,
        "realm": realm,
        "realm_challenge": realm.get(cca_claims.CHALLENGE),
        "rak_bound": cca.binding_of(platform, realm) == cca.BINDING.passed,
    }
    return Judged(accepted=found.accepted, failed=found.failed, facts=found.facts, claims=shown)
