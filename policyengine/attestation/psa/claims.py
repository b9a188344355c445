"""The claims of a PSA attestation token and every requirement on them (RFC 9783 section 4), one function each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.plain_text import MAX_TEXT
from policyengine.model.schema import MAX_SOFTWARE

PROFILE_TFM = "tag:psacertified.org,2023:psa#tfm"

# Claim keys: RFC 9783 section 4 (2394 to 2400), RFC 9711 section 4 (10 to 268).
NONCE, INSTANCE_ID, PROFILE, BOOT_SEED = 10, 256, 265, 268
CLIENT_ID, LIFECYCLE, IMPLEMENTATION_ID, CERTIFICATION_REFERENCE, SOFTWARE, VSI = 2394, 2395, 2396, 2398, 2399, 2400
# Only in the oldest profile, which has private keys: the integer 1 instead of a list of components.
NO_MEASUREMENTS = -75007
# Keys inside a software component: RFC 9783 section 4.4.1.
TYPE, VALUE, VERSION, SIGNER, DESCRIPTION = 1, 2, 4, 5, 6

HASH_SIZES = frozenset({32, 48, 64})
RANDOM_UEID = b"\x01"  # RFC 9711 section 4.2.1: type RAND
INT32 = 2**31
# NOTE: stricter than CDDL `text`: a NUL, or a text of kilobytes, must not reach facts, logs and pages.
NUL = "\x00"

LIFECYCLE_STATES = {
    0x00: "unknown",
    0x10: "assembly-and-test",
    0x20: "psa-rot-provisioning",
    0x30: "secured",
    0x40: "non-psa-rot-debug",
    0x50: "recoverable-psa-rot-debug",
    0x60: "decommissioned",
}

Claims = Mapping[Any, Any]


class Rules(Protocol):
    """Where the profiles of PSA tokens differ (`profiles.Profile`)."""

    @property
    def certification(self) -> re.Pattern[str]:
        """What a certification reference looks like."""
        ...

    @property
    def seed_sizes(self) -> range:
        """How many bytes a boot seed may have."""
        ...

    @property
    def seed_required(self) -> bool:
        """Whether a boot seed must be there."""
        ...

    @property
    def software_required(self) -> bool:
        """Whether components must be listed; else a claim may say instead that nothing was measured."""
        ...


PROFILE_IS_KNOWN = Requirement(
    id="psa.profile", clause="RFC 9783 section 4.5.2", expected="a PSA profile, and the one that the media type names"
)
NONCE_IS_OURS = Requirement(
    id="psa.nonce", clause="RFC 9783 section 4.1.1", expected="one nonce of 32, 48 or 64 bytes, equal to the challenge"
)
CLIENT = Requirement(id="psa.client-id", clause="RFC 9783 section 4.1.2", expected="a 32-bit integer other than 0")
INSTANCE = Requirement(
    id="psa.instance-id", clause="RFC 9783 section 4.2.1", expected="33 bytes, the first 0x01 (RAND)"
)
IMPLEMENTATION = Requirement(id="psa.implementation-id", clause="RFC 9783 section 4.2.2", expected="32 bytes")
CERTIFICATION = Requirement(
    id="psa.certification-reference", clause="RFC 9783 section 4.2.3", expected="13 digits, a dash, 5 digits"
)
STATE = Requirement(
    id="psa.lifecycle", clause="RFC 9783 section 4.3.1", expected="an integer in 0xN000 to 0xN0ff, N from 0 to 6"
)
SEED = Requirement(id="psa.boot-seed", clause="RFC 9783 section 4.3.2", expected="8 to 32 bytes")
COMPONENTS = Requirement(
    id="psa.software",
    clause="RFC 9783 section 4.4.1",
    expected=f"1 to {MAX_SOFTWARE} components, each with value and signer of 32, 48 or 64 bytes, the rest plain text",
)
INDICATOR = Requirement(id="psa.vsi", clause="RFC 9783 section 4.5.1", expected="plain text, not empty")


def check_claims(claims: Claims, nonce: bytes, rules: Rules, problem: str | None) -> tuple[Check, ...]:
    """Return the outcome of every requirement on `claims`, which stand under the keys of RFC 9783.

    `problem` is that of their software components (`software.inventory`).
    """
    certified, indicated = CERTIFICATION_REFERENCE in claims, VSI in claims
    return _mandatory(claims, nonce) + (  # noqa: RUF005 - to unpack takes longer
        _certification(claims[CERTIFICATION_REFERENCE], rules) if certified else CERTIFICATION.absent,
        _lifecycle(claims),
        _seed(claims, rules),
        _software(claims, rules, problem),
        _indicator(claims[VSI]) if indicated else INDICATOR.absent,
    )


def unknown_profile(seen: object) -> tuple[Check, ...]:
    """Return the checks of claims under another profile: there the keys may mean other things, so none is judged."""
    return (PROFILE_IS_KNOWN.failed(described(seen)), *UNREACHED[1:])


def _mandatory(claims: Claims, nonce: bytes) -> tuple[Check, ...]:
    """Return the checks of what all tokens have, without a call each: profile, nonce, client, instance, implementation.

    INVARIANT: the claims are under a profile we know.
    """
    challenge, client = claims.get(NONCE), claims.get(CLIENT_ID)
    instance, implementation = claims.get(INSTANCE_ID), claims.get(IMPLEMENTATION_ID)
    # The comparison is over bytes as issued: no other encoding of the challenge is ever tried.
    is_ours = type(challenge) is bytes and len(challenge) in HASH_SIZES and challenge == nonce
    in_range = type(client) is int and -INT32 <= client < INT32 and client != 0
    is_random = type(instance) is bytes and len(instance) == 33 and instance.startswith(RANDOM_UEID)
    is_sized = type(implementation) is bytes and len(implementation) == 32
    if is_ours and in_range and is_random and is_sized:
        return _MANDATORY_PASSED
    return (
        PROFILE_IS_KNOWN.passed,
        NONCE_IS_OURS.passed if is_ours else NONCE_IS_OURS.failed(described(challenge)),
        CLIENT.passed if in_range else CLIENT.failed(described(client)),
        INSTANCE.passed if is_random else INSTANCE.failed(described(instance)),
        IMPLEMENTATION.passed if is_sized else IMPLEMENTATION.failed(described(implementation)),
    )


_MANDATORY_PASSED = tuple(
    requirement.passed for requirement in (PROFILE_IS_KNOWN, NONCE_IS_OURS, CLIENT, INSTANCE, IMPLEMENTATION)
)


def _certification(value: object, rules: Rules) -> Check:
    sound = type(value) is str and rules.certification.fullmatch(value)
    return CERTIFICATION.passed if sound else CERTIFICATION.failed(described(value))


def _lifecycle(claims: Claims) -> Check:
    value = claims.get(LIFECYCLE)
    return STATE.passed if lifecycle_state(value) else STATE.failed(described(value))


def lifecycle_state(value: object) -> str | None:
    """Return the name of the major state of a lifecycle claim, or None if it is in no range."""
    return LIFECYCLE_STATES.get(value >> 8) if type(value) is int else None


def _seed(claims: Claims, rules: Rules) -> Check:
    if BOOT_SEED not in claims:
        return SEED.failed("absent") if rules.seed_required else SEED.absent
    value = claims[BOOT_SEED]
    return SEED.passed if type(value) is bytes and len(value) in rules.seed_sizes else SEED.failed(described(value))


def _software(claims: Claims, rules: Rules, problem: str | None) -> Check:
    if not rules.software_required and NO_MEASUREMENTS in claims:
        stated = claims[NO_MEASUREMENTS]
        alone = type(stated) is int and stated == 1 and SOFTWARE not in claims
        return COMPONENTS.absent if alone else COMPONENTS.failed(f"both, or {stated!a}")
    return COMPONENTS.failed(problem) if problem else COMPONENTS.passed


def _indicator(value: object) -> Check:
    sound = type(value) is str and 0 < len(value) <= MAX_TEXT and NUL not in value
    return INDICATOR.passed if sound else INDICATOR.failed(described(value))


UNREACHED: tuple[Check, ...] = tuple(
    requirement.unreached
    for requirement in (
        *(PROFILE_IS_KNOWN, NONCE_IS_OURS, CLIENT, INSTANCE, IMPLEMENTATION),
        *(CERTIFICATION, STATE, SEED, COMPONENTS, INDICATOR),
    )
)
