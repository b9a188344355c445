"""Vectors of attestation results: today's draft as JWT and CWT, Veraison's older one, and one defect each."""

from __future__ import annotations

from policyengine.model.base64url import base64url
from tests.vectors.eat_cases import NOW
from tests.vectors.format_case import NONCE, OTHER, Case, cwt, jwt

CURRENT, VERAISON = "tag:ietf.org,2026:rats/ear#03", "tag:github.com,2023:veraison/ear"
VECTOR = {"instance-identity": 2, "configuration": 2, "executables": 33, "hardware": -1}
APPRAISAL = {"ear_status": "warning", "ear_trustworthiness_vector": VECTOR, "ear_appraisal_policy_ids": ["p"]}
RESULT: dict[str, object] = {
    "eat_profile": CURRENT,
    "iat": NOW - 1,
    "exp": NOW + 600,
    "nbf": NOW - 1,
    "ear_verifier_id": {"developer": "https://verifier.example", "build": "1.0"},
    "submods": {"device": APPRAISAL},
}
OLD: dict[str, object] = {
    "eat_profile": VERAISON,
    "iat": NOW - 1,
    "ear.verifier-id": {"developer": "https://verifier.example", "build": "1.0"},
    "submods": {"device": {"ear.status": "affirming", "ear.appraisal-policy-id": "p"}},
}
NUMBERED: dict[object, object] = {
    265: CURRENT,
    6: NOW - 1,
    4: NOW + 600,
    1004: {0: "https://verifier.example", 1: "1.0"},
    266: {"device": {1000: 32, 1001: {0: 2, 2: 33}, 1003: ["p"]}},
}


def ear(name: str, evidence: bytes, failed: str = "", reason: str = "", *, nonce: bytes | None = None) -> Case:
    file = "ear.jwt" if b"." in evidence[:200] and evidence.startswith(b"ey") else "ear.cwt"
    return Case(
        name=f"ear/{name}", evidence=evidence, failed=(failed,) if failed else (), reason=reason, nonce=nonce, file=file
    )


def appraised(**changes: object) -> bytes:
    """Return a result whose appraisal has these claims changed; None removes one."""
    made = {key: value for key, value in (APPRAISAL | changes).items() if value is not None}
    return jwt(RESULT | {"submods": {"device": made}})


def without(name: str) -> bytes:
    return jwt({key: value for key, value in RESULT.items() if key != name})


def cases() -> list[Case]:
    crowd = {f"part{index}": APPRAISAL for index in range(65)}
    pair = {"a": APPRAISAL, "b": APPRAISAL | {"ear_status": "affirming"}}
    too_large = {"ear_trustworthiness_vector": {"hardware": 128}, "ear_status": "contraindicated"}
    vector = "ear_trustworthiness_vector"
    return [
        ear("good-jwt", jwt(RESULT)),
        ear("good-cwt", cwt(NUMBERED)),
        ear("good-cwt-tag", cwt(NUMBERED, tags=(18, 61))),
        ear("good-older", jwt(OLD)),
        ear("good-no-vector", appraised(**{vector: None})),
        ear("good-status-none", appraised(ear_status="none"), reason="it claims nothing"),
        ear("good-nonce", jwt(RESULT | {"eat_nonce": base64url(NONCE)}), nonce=NONCE),
        ear("profile-of-evidence", jwt(RESULT | {"eat_profile": "https://fleet.example/eat/1"}), "ear.profile"),
        ear("profile-missing", without("eat_profile"), "ear.profile"),
        ear("iat-float", jwt(RESULT | {"iat": NOW - 0.5}), "ear.iat"),
        ear("iat-in-the-future", jwt(RESULT | {"iat": NOW + 1}), "ear.iat"),
        ear("exp-at-this-instant", jwt(RESULT | {"exp": NOW}), "ear.exp"),
        ear("exp-null", jwt(RESULT | {"exp": None}), "ear.exp"),
        ear("nbf-in-the-future", jwt(RESULT | {"nbf": NOW + 1}), "ear.nbf"),
        ear("nonce-of-another-challenge", jwt(RESULT | {"eat_nonce": base64url(bytes(32))}), "ear.nonce", nonce=NONCE),
        ear("verifier-id-without-build", jwt(RESULT | {"ear_verifier_id": {"developer": "x"}}), "ear.verifier-id"),
        ear("submods-empty", jwt(RESULT | {"submods": {}}), "ear.submods"),
        ear("submods-65", jwt(RESULT | {"submods": crowd}), "ear.submods"),
        ear("status-unknown-word", appraised(ear_status="trusted"), "ear.status"),
        ear("status-number-in-json", appraised(ear_status=2), "ear.status"),
        ear("status-word-in-cbor", cwt(NUMBERED | {266: {"device": {1000: "affirming"}}}), "ear.status"),
        ear("vector-unknown-claim", appraised(**{vector: {"loyalty": 2}}), "ear.trustworthiness-vector"),
        ear("vector-128", appraised(**too_large), "ear.trustworthiness-vector"),
        ear("vector-true", appraised(**{vector: {"hardware": True}}), "ear.trustworthiness-vector"),
        ear("status-better-than-its-vector", appraised(ear_status="affirming"), "ear.status-tier"),
        ear("status-better-than-a-negative-claim", appraised(**{vector: {"hardware": -97}}), "ear.status-tier"),
        ear("second-appraisal-too-good", jwt(RESULT | {"submods": pair}), "ear.status-tier"),
        ear("policy-ids-text", appraised(ear_appraisal_policy_ids="p"), "ear.appraisal-policy-ids", "a list since #03"),
        ear("signed-by-another-verifier", jwt(RESULT, key=OTHER), "jose.signature"),
        ear("cwt-signed-by-another-verifier", cwt(NUMBERED, key=OTHER), "cose.signature"),
        ear("alg-none", jwt(RESULT, header={"alg": "none"}, signed=False), "jose.alg"),
    ]
