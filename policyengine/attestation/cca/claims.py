"""The claims of the two tokens of an Arm CCA attestation token, and every requirement on them (the draft, section 4).

The platform token has the claims of a PSA token under the same keys; the realm token has keys of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.plain_text import is_plain_text
from policyengine.attestation.psa import claims as psa_claims
from policyengine.attestation.psa.software import inventory
from policyengine.model.schema import MAX_SOFTWARE

Claims = Mapping[Any, Any]

DRAFT = "draft-ffm-rats-cca-token-03"
LEGACY_PROFILE = "http://arm.com/CCA-SSD/1.0.0"  # of Arm's first documents, before the draft
PLATFORM_PROFILE = "tag:arm.com,2023:cca_platform#1.0.0"
REALM_PROFILE = "tag:arm.com,2023:realm#1.0.0"
PROFILES = (LEGACY_PROFILE, PLATFORM_PROFILE)

CHALLENGE, PROFILE = 10, 265
CONFIG, HASH_ALGORITHM = 2401, 2402
PERSONALIZATION, REALM_HASH_ALGORITHM, REALM_KEY, INITIAL_MEASUREMENT = 44235, 44236, 44237, 44238
EXTENSIBLE_MEASUREMENTS, REALM_KEY_HASH, MEC_POLICY = 44239, 44240, 44241

CHALLENGE_BYTES = 64
MAX_CONFIG_BYTES = 1024  # a field of system properties; those we know have 33 bytes
EXTENSIBLE = 4  # REMs of a realm
MAX_COMPONENTS = MAX_SOFTWARE - 1 - EXTENSIBLE  # the realm's own measurements come beside them
HASHES: Mapping[object, Callable[[bytes], Any]] = {
    "sha-256": hashlib.sha256,
    "sha-384": hashlib.sha384,
    "sha-512": hashlib.sha512,
}
_HASH_TEXT = "the name of SHA-256, SHA-384 or SHA-512"


def _requirement(name: str, section: str, expected: str) -> Requirement:
    return Requirement(id=f"cca.{name}", clause=f"{DRAFT} section {section}", expected=expected)


PLATFORM_IS_KNOWN = _requirement(
    "platform-profile", "4.5.1", "a CCA platform profile, and the one that the media type names"
)
IMPLEMENTATION = _requirement("implementation-id", "4.4.2", "32 bytes")
INSTANCE = _requirement("instance-id", "4.4.1", "33 bytes, the first 0x01 (RAND)")
CONFIGURATION = _requirement("config", "4.5.3", f"at most {MAX_CONFIG_BYTES} bytes")
STATE = _requirement("lifecycle", "4.5.2", "an integer in 0xN000 to 0xN0ff, N from 0 to 6")
COMPONENTS = _requirement(
    "software", "4.6.1", f"1 to {MAX_COMPONENTS} components, each with value and signer of 32, 48 or 64 bytes"
)
INDICATOR = _requirement("verification-service", "4.7.1", "plain text")
PLATFORM_HASH = _requirement("hash-algorithm", "4.7.2", _HASH_TEXT)
REALM_IS_KNOWN = _requirement("realm-profile", "4.8.2", REALM_PROFILE)
CHALLENGE_IS_OURS = _requirement("challenge", "4.8.1", "64 bytes: the challenge, then zeros")
PERSONAL = _requirement("personalization", "4.8.3", "64 bytes")
INITIAL = _requirement("realm-measurement", "4.8.4", "as many bytes as the realm's hash algorithm has")
EXTENSIBLE_ONES = _requirement("realm-extensible-measurements", "4.8.5", f"{EXTENSIBLE} of as many bytes")
REALM_HASH = _requirement("realm-hash-algorithm", "4.8.6", _HASH_TEXT)
MEC = _requirement("realm-memory-encryption", "4.8", "`shared` or `private`")

_PLATFORM = (
    *(PLATFORM_IS_KNOWN, IMPLEMENTATION, INSTANCE, CONFIGURATION, STATE, COMPONENTS, INDICATOR, PLATFORM_HASH),
)
_REALM = (REALM_IS_KNOWN, CHALLENGE_IS_OURS, PERSONAL, INITIAL, EXTENSIBLE_ONES, REALM_HASH, MEC)


def check_platform(claims: Claims | None, announced: str | None) -> tuple[Check, ...]:
    """Return the outcome of every requirement on the platform token's claims; None if they were not reached."""
    if claims is None:
        return tuple(each.unreached for each in _PLATFORM)
    profile = claims.get(PROFILE)
    if profile not in PROFILES or announced not in {None, profile}:
        return (PLATFORM_IS_KNOWN.failed(described(profile)), *(each.unreached for each in _PLATFORM[1:]))
    problem = inventory(claims.get(psa_claims.SOFTWARE), maximum=MAX_COMPONENTS).problem
    return (
        PLATFORM_IS_KNOWN.passed,
        _mandatory(IMPLEMENTATION, claims.get(psa_claims.IMPLEMENTATION_ID), lambda value: _has_size(value, {32})),
        _mandatory(INSTANCE, claims.get(psa_claims.INSTANCE_ID), _is_instance),
        _mandatory(CONFIGURATION, claims.get(CONFIG), lambda value: _has_size(value, range(MAX_CONFIG_BYTES + 1))),
        _mandatory(
            STATE, claims.get(psa_claims.LIFECYCLE), lambda value: psa_claims.lifecycle_state(value) is not None
        ),
        COMPONENTS.failed(problem) if problem else COMPONENTS.passed,
        _optional(INDICATOR, claims, psa_claims.VSI, is_plain_text),
        _mandatory(PLATFORM_HASH, claims.get(HASH_ALGORITHM), _is_hash),
    )


def check_realm(claims: Claims | None, nonce: bytes) -> tuple[Check, ...]:
    """Return the outcome of every requirement on the realm token's claims, but for its key; None: not reached."""
    if claims is None:
        return tuple(each.unreached for each in _REALM)
    algorithm = claims.get(REALM_HASH_ALGORITHM)
    sizes = {HASHES[algorithm](b"").digest_size} if _is_hash(algorithm) else psa_claims.HASH_SIZES
    challenge = nonce.ljust(CHALLENGE_BYTES, b"\x00")
    return (
        _optional(REALM_IS_KNOWN, claims, PROFILE, lambda value: value == REALM_PROFILE),
        _mandatory(
            CHALLENGE_IS_OURS,
            claims.get(CHALLENGE),
            # Nothing at all would be padded to zeros.
            lambda value: bool(nonce) and _has_size(value, {CHALLENGE_BYTES}) and value == challenge,
        ),
        _mandatory(PERSONAL, claims.get(PERSONALIZATION), lambda value: _has_size(value, {64})),
        _mandatory(INITIAL, claims.get(INITIAL_MEASUREMENT), lambda value: _has_size(value, sizes)),
        _mandatory(
            EXTENSIBLE_ONES,
            claims.get(EXTENSIBLE_MEASUREMENTS),
            lambda value: (
                isinstance(value, list | tuple)
                and len(value) == EXTENSIBLE
                and all(_has_size(each, sizes) for each in value)
            ),
        ),
        _mandatory(REALM_HASH, algorithm, _is_hash),
        _optional(MEC, claims, MEC_POLICY, lambda value: value in ("shared", "private")),
    )


def _is_instance(value: Any) -> bool:
    return _has_size(value, {33}) and bool(value.startswith(psa_claims.RANDOM_UEID))


def _has_size(value: Any, sizes: Any) -> bool:
    return type(value) is bytes and len(value) in sizes


def _is_hash(value: object) -> bool:
    return type(value) is str and value in HASHES


def _mandatory(requirement: Requirement, value: Any, sound: Callable[[Any], bool]) -> Check:
    return requirement.passed if sound(value) else requirement.failed(described(value))


def _optional(requirement: Requirement, claims: Claims, key: int, sound: Callable[[Any], bool]) -> Check:
    return _mandatory(requirement, claims[key], sound) if key in claims else requirement.absent
