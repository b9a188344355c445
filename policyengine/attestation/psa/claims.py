"""The claims of a PSA attestation token and every requirement on them (RFC 9783 section 4), one function each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from policyengine.attestation.checks import Check, Requirement, described
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
MAX_TEXT = 1024  # what one text may put into facts and logs; versions and URLs are far shorter

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


def check_claims(claims: Claims, nonce: bytes, rules: Rules) -> tuple[Check, ...]:
    """Return the outcome of every requirement on `claims`, which stand under the keys of RFC 9783."""
    return (
        PROFILE_IS_KNOWN.passed,
        _nonce(claims, nonce),
        _client(claims),
        _instance(claims),
        _implementation(claims),
        _certification(claims, rules),
        _lifecycle(claims),
        _seed(claims, rules),
        _software(claims, rules),
        _indicator(claims),
    )


def unknown_profile(seen: object) -> tuple[Check, ...]:
    """Return the checks of claims under another profile: there the keys may mean other things, so none is judged."""
    return (PROFILE_IS_KNOWN.failed(described(seen)), *UNREACHED[1:])


def _nonce(claims: Claims, nonce: bytes) -> Check:
    value = claims.get(NONCE)
    # The comparison is over bytes as issued: no other encoding of the challenge is ever tried.
    if type(value) is bytes and len(value) in HASH_SIZES and value == nonce:
        return NONCE_IS_OURS.passed
    return NONCE_IS_OURS.failed(described(value))


def _client(claims: Claims) -> Check:
    value = claims.get(CLIENT_ID)
    in_range = type(value) is int and -INT32 <= value < INT32 and value != 0
    return CLIENT.passed if in_range else CLIENT.failed(described(value))


def _instance(claims: Claims) -> Check:
    value = claims.get(INSTANCE_ID)
    sound = type(value) is bytes and len(value) == 33 and value.startswith(RANDOM_UEID)
    return INSTANCE.passed if sound else INSTANCE.failed(described(value))


def _implementation(claims: Claims) -> Check:
    value = claims.get(IMPLEMENTATION_ID)
    return (
        IMPLEMENTATION.passed if type(value) is bytes and len(value) == 32 else IMPLEMENTATION.failed(described(value))
    )


def _certification(claims: Claims, rules: Rules) -> Check:
    if CERTIFICATION_REFERENCE not in claims:
        return CERTIFICATION.absent
    value = claims[CERTIFICATION_REFERENCE]
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


def _software(claims: Claims, rules: Rules) -> Check:
    components = claims.get(SOFTWARE)
    if not rules.software_required and NO_MEASUREMENTS in claims:
        stated = claims[NO_MEASUREMENTS]
        alone = type(stated) is int and stated == 1 and SOFTWARE not in claims
        return COMPONENTS.absent if alone else COMPONENTS.failed(f"both, or {stated!a}")
    problem = software_problem(components)
    return COMPONENTS.failed(problem) if problem else COMPONENTS.passed


def software_problem(components: object, *, maximum: int = MAX_SOFTWARE) -> str | None:
    """Return what is wrong with a list of software components, or None."""
    if not isinstance(components, list | tuple) or not 1 <= len(components) <= maximum:
        return described(components)
    for index, component in enumerate(components):
        problem = _component_problem(component)
        if problem:
            return f"component {index}: {problem}"
    return None


_HASHES = ((VALUE, "measurement value"), (SIGNER, "signer id"))
_TEXTS = ((TYPE, "measurement type"), (VERSION, "version"), (DESCRIPTION, "measurement description"))


def _component_problem(component: object) -> str | None:
    if not isinstance(component, dict):
        return described(component)
    for key, name in _HASHES:
        value = component.get(key)
        if type(value) is not bytes or len(value) not in HASH_SIZES:
            return f"{name} is {described(value)}"
    for key, name in _TEXTS:
        if key in component and not _is_plain_text(component[key]):
            return f"{name} is {described(component[key])}"
    return None


def _is_plain_text(value: object) -> bool:
    # NOTE: stricter than CDDL `text`: a NUL, or a text of kilobytes, must not reach facts, logs and pages.
    return type(value) is str and len(value) <= MAX_TEXT and "\x00" not in value


def _indicator(claims: Claims) -> Check:
    if VSI not in claims:
        return INDICATOR.absent
    value = claims[VSI]
    return INDICATOR.passed if value != "" and _is_plain_text(value) else INDICATOR.failed(described(value))


UNREACHED: tuple[Check, ...] = tuple(
    requirement.unreached
    for requirement in (
        *(PROFILE_IS_KNOWN, NONCE_IS_OURS, CLIENT, INSTANCE, IMPLEMENTATION),
        *(CERTIFICATION, STATE, SEED, COMPONENTS, INDICATOR),
    )
)
