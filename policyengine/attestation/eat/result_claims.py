"""The claims of attestation results (draft-ietf-rats-ear) in one form, and every requirement on them.

A result comes as JWT or CWT, under the names of today's draft or under those of Veraison before it. `from_cbor` and
`from_json` bring them into the form of today's JWT; what they cannot bring there stays as it is, and is refused by the
type of its claim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.eat.result_profiles import CURRENT, PROFILES, VERAISON
from policyengine.attestation.plain_text import is_plain_text
from policyengine.model.base64url import base64url

Claims = Mapping[Any, Any]

DRAFT = "draft-ietf-rats-ear-04"
MAX_SUBMODS = 64  # appraisals in one result; a device has a handful of parts

# Status and trustworthiness tiers (AR4SI section 2.3), and the tier that each claim value is of.
TIERS: Mapping[str, int] = {"none": 0, "affirming": 2, "warning": 32, "contraindicated": 96}
VECTOR = (
    *("instance-identity", "configuration", "executables", "file-system"),
    *("hardware", "runtime-opaque", "storage-opaque", "sourced-data"),
)

# Names of today's JWT by the CBOR keys of the CWT (section 3), and by the names that Veraison used.
_CBOR: Mapping[object, str] = {
    1: "iss",
    2: "sub",
    3: "aud",
    4: "exp",
    5: "nbf",
    6: "iat",
    7: "jti",
    10: "eat_nonce",
    265: "eat_profile",
    266: "submods",
    1000: "ear_status",
    1001: "ear_trustworthiness_vector",
    1002: "ear_raw_evidence",
    1003: "ear_appraisal_policy_ids",
    1004: "ear_verifier_id",
}
_OLD: Mapping[object, str] = {
    "ear.status": "ear_status",
    "ear.trustworthiness-vector": "ear_trustworthiness_vector",
    "ear.raw-evidence": "ear_raw_evidence",
    "ear.appraisal-policy-id": "ear_appraisal_policy_ids",
    "ear.verifier-id": "ear_verifier_id",
}
_VERIFIER: Mapping[object, str] = {0: "developer", 1: "build"}
_WORDS: Mapping[object, str] = {number: word for word, number in TIERS.items()}
_NUMBERED_VECTOR: Mapping[object, str] = dict(enumerate(VECTOR))


def _requirement(name: str, section: str, expected: str) -> Requirement:
    return Requirement(id=f"ear.{name}", clause=f"{DRAFT} section {section}", expected=expected)


PROFILE = _requirement("profile", "3", f"`{CURRENT}` or `{VERAISON}`, and the one that the media type names")
ISSUED = _requirement("iat", "3", "an integer time that has come")
EXPIRY = _requirement("exp", "3", "an integer time that has not come")
BEGINNING = _requirement("nbf", "3", "an integer time that has come")
NONCE = _requirement("nonce", "3", "the challenge, if the result names one")
VERIFIER = _requirement("verifier-id", "3.3", "the developer and the build of the verifier, as plain text")
SUBMODS = _requirement("submods", "3", f"1 to {MAX_SUBMODS} appraisals by name")
STATUS = _requirement("status", "3.2", f"one of {', '.join(TIERS)} in each appraisal")
TRUST = _requirement(
    "trustworthiness-vector", "3.2", "AR4SI claims from -128 to 127 in each appraisal, if there are any"
)
STATUS_FOLLOWS = _requirement("status-tier", "3.2", "a status that is no better than the worst claim of its vector")
POLICIES = _requirement("appraisal-policy-ids", "3.2", "names of policies as plain text, if there are any")

ALL = (
    *(PROFILE, ISSUED, EXPIRY, BEGINNING, NONCE, VERIFIER, SUBMODS),
    *(STATUS, TRUST, STATUS_FOLLOWS, POLICIES),
)


def from_cbor(claims: Claims) -> Claims:
    """Return the claims of a CWT under the names and in the words of a JWT."""
    named: dict[Any, Any] = _renamed(claims, _CBOR)
    named["ear_verifier_id"] = _renamed(named.get("ear_verifier_id"), _VERIFIER)
    submods = named.get("submods")
    if isinstance(submods, Mapping):
        named["submods"] = {name: _appraisal_from_cbor(each) for name, each in submods.items()}
    return named


def _appraisal_from_cbor(appraisal: Any) -> Any:
    if not isinstance(appraisal, Mapping):
        return appraisal
    named = _renamed(appraisal, _CBOR)
    status = named.get("ear_status")
    named["ear_status"] = _WORDS.get(status, status) if type(status) is int else None  # numbers only, in CBOR
    if "ear_trustworthiness_vector" in named:
        named["ear_trustworthiness_vector"] = _renamed(named["ear_trustworthiness_vector"], _NUMBERED_VECTOR)
    return named


def from_json(claims: Claims) -> Claims:
    """Return the claims of a JWT under the names of today's draft; only Veraison's profile has the older ones."""
    if claims.get("eat_profile") != VERAISON:
        return claims
    named: dict[Any, Any] = _renamed(claims, _OLD)
    submods = named.get("submods")
    if isinstance(submods, Mapping):
        named["submods"] = {name: _old_appraisal(each) for name, each in submods.items()}
    return named


def _old_appraisal(appraisal: Any) -> Any:
    if not isinstance(appraisal, Mapping):
        return appraisal
    named = _renamed(appraisal, _OLD)
    policy = named.get("ear_appraisal_policy_ids")
    if isinstance(policy, str):
        named["ear_appraisal_policy_ids"] = [policy]
    return named


def _renamed(claims: Any, names: Mapping[object, str]) -> Any:
    return {names.get(key, key): value for key, value in claims.items()} if isinstance(claims, Mapping) else claims


def check_claims(claims: Claims, *, announced: str | None, nonce: bytes, now: datetime) -> tuple[Check, ...]:
    """Return the outcome of every requirement on `claims`. A result need not name a challenge; it has its times."""
    return (
        _profile(claims, announced),
        *_times(claims, now),
        _nonce(claims, nonce),
        _verifier(claims.get("ear_verifier_id")),
        *_appraisals(claims.get("submods")),
    )


def _profile(claims: Claims, announced: str | None) -> Check:
    value = claims.get("eat_profile")
    known = type(value) is str and value in PROFILES and announced in {None, value}
    return PROFILE.passed if known else PROFILE.failed(described(value))


def _times(claims: Claims, now: datetime) -> tuple[Check, Check, Check]:
    moment = now.timestamp()
    issued = claims.get("iat")
    return (
        ISSUED.passed if type(issued) is int and issued <= moment else ISSUED.failed(described(issued)),
        _when(EXPIRY, claims.get("exp", EXPIRY), lambda ended: moment < ended),
        _when(BEGINNING, claims.get("nbf", BEGINNING), lambda began: began <= moment),
    )


def _when(requirement: Requirement, value: object, holds: Callable[[int], bool]) -> Check:
    """Return whether `value` is an integer time that `holds`; absent, the requirement itself stands for it."""
    if value is requirement:
        return requirement.absent
    return requirement.passed if type(value) is int and holds(value) else requirement.failed(described(value))


def _nonce(claims: Claims, nonce: bytes) -> Check:
    if "eat_nonce" not in claims:
        return NONCE.absent
    value = claims["eat_nonce"]
    # Bytes in a CWT, in a JWT their one base64url form; a caller without a challenge takes any.
    ours = (type(value) is bytes and value == nonce) or (type(value) is str and value == base64url(nonce))
    return NONCE.passed if ours or not nonce else NONCE.failed(described(value))


def _verifier(value: object) -> Check:
    sound = isinstance(value, Mapping) and all(is_plain_text(value.get(name)) for name in ("developer", "build"))
    return VERIFIER.passed if sound else VERIFIER.failed(described(value))


def _appraisals(submods: Any) -> tuple[Check, ...]:
    sound = (
        isinstance(submods, Mapping)
        and 0 < len(submods) <= MAX_SUBMODS
        and all(is_plain_text(name) and isinstance(each, Mapping) for name, each in submods.items())
    )
    if not sound:
        return (SUBMODS.failed(described(submods)), *(requirement.unreached for requirement, _ in _PER_APPRAISAL))
    return (SUBMODS.passed, *(_each(requirement, holds, submods) for requirement, holds in _PER_APPRAISAL))


def _each(requirement: Requirement, holds: Callable[[Claims], bool], submods: Mapping[str, Claims]) -> Check:
    refused = next((name for name, appraisal in submods.items() if not holds(appraisal)), None)
    return requirement.passed if refused is None else requirement.failed(f"not so in {refused!a}")


def _tier(appraisal: Claims) -> int | None:
    status = appraisal.get("ear_status")
    return TIERS.get(status) if type(status) is str else None


def _is_vector(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        name in VECTOR and type(each) is int and -128 <= each <= 127 for name, each in value.items()
    )


def _follows(appraisal: Claims) -> bool:
    """Return whether the status is as bad as its worst claim; `none` claims nothing, and only numbers are read."""
    tier, vector = _tier(appraisal), appraisal.get("ear_trustworthiness_vector", {})
    if not tier or not isinstance(vector, Mapping):
        return True
    return tier >= max((tier_of(each) for each in vector.values() if type(each) is int), default=0)


def tier_of(value: int) -> int:
    """Return the trustworthiness tier of an AR4SI claim value (AR4SI section 2.3.2)."""
    if value in {-1, 0, 1}:
        return 0
    size = value if value > 0 else -value - 1  # -2 to -32 is of the tier of 2 to 31, and so on
    return 96 if size >= 96 else 32 if size >= 32 else 2


def _are_policies(value: object) -> bool:
    return isinstance(value, list | tuple) and 0 < len(value) <= MAX_SUBMODS and all(map(is_plain_text, value))


_PER_APPRAISAL: tuple[tuple[Requirement, Callable[[Claims], bool]], ...] = (
    (STATUS, lambda appraisal: _tier(appraisal) is not None),
    (TRUST, lambda appraisal: _is_vector(appraisal.get("ear_trustworthiness_vector", {}))),
    (STATUS_FOLLOWS, _follows),
    (POLICIES, lambda appraisal: _are_policies(appraisal.get("ear_appraisal_policy_ids", ["none stated"]))),
)
