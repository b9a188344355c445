"""The claims of an Entity Attestation Token and every requirement on them (RFC 9711 section 4), one row each.

Claims stand under their CBOR keys with their CBOR types; `json` brings those of a JWT into that form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.plain_text import is_plain_text
from policyengine.model.canonical import MAX_INTEGER

Claims = Mapping[Any, Any]

# RFC 8392 section 4, RFC 9711 section 10.2.
ISS, SUB, AUD, EXP, NBF, IAT, CTI, NONCE = 1, 2, 3, 4, 5, 6, 7, 10
UEID, SUEIDS, OEMID, HWMODEL, HWVERSION, UPTIME, OEMBOOT, DBGSTAT = 256, 257, 258, 259, 260, 261, 262, 263
LOCATION, PROFILE, SUBMODS, BOOTCOUNT, BOOTSEED, DLOAS, SWNAME, SWVERSION = 264, 265, 266, 267, 268, 269, 270, 271
MANIFESTS, MEASUREMENTS, MEASRES, INTUSE = 272, 273, 274, 275

NAMES: Mapping[int, str] = {
    ISS: "iss",
    SUB: "sub",
    AUD: "aud",
    EXP: "exp",
    NBF: "nbf",
    IAT: "iat",
    CTI: "cti",
    NONCE: "eat_nonce",
    UEID: "ueid",
    SUEIDS: "sueids",
    OEMID: "oemid",
    HWMODEL: "hwmodel",
    HWVERSION: "hwversion",
    UPTIME: "uptime",
    OEMBOOT: "oemboot",
    DBGSTAT: "dbgstat",
    LOCATION: "location",
    PROFILE: "eat_profile",
    SUBMODS: "submods",
    BOOTCOUNT: "bootcount",
    BOOTSEED: "bootseed",
    DLOAS: "dloas",
    SWNAME: "swname",
    SWVERSION: "swversion",
    MANIFESTS: "manifests",
    MEASUREMENTS: "measurements",
    MEASRES: "measres",
    INTUSE: "intuse",
}

NONCE_SIZES = range(8, 65)
MAX_NONCES = 8  # verifiers that one token can answer at once
MAX_LIST = 64  # manifests, measurements, certifications of one entity
# RFC 9711 section 4.2.1: lengths by type. NOTE: RAND (0x01) should have 17, 25 or 33 bytes, but the RFC's own examples
# have 15 and 16, so devices will; types that came later are opaque. Both may have any length that the claim allows.
_UEID_SIZES: Mapping[int, frozenset[int]] = {0x02: frozenset({7, 9}), 0x03: frozenset({15})}

NONCE_IS_OURS = Requirement(
    id="eat.nonce", clause="RFC 9711 section 4.1", expected="the challenge, of 8 to 64 bytes, alone or in an array"
)
EXPIRY = Requirement(id="eat.exp", clause="RFC 8392 section 3.1.4", expected="an integer time that has not come")
BEGINNING = Requirement(id="eat.nbf", clause="RFC 8392 section 3.1.5", expected="an integer time that has come")


def _row(name: str, section: str, expected: str, sound: Callable[[object], bool]) -> tuple[Requirement, Any]:
    return Requirement(id=f"eat.{name}", clause=f"RFC 9711 section {section}", expected=expected), sound


def _is_ueid(value: object) -> bool:
    if type(value) is not bytes or not 7 <= len(value) <= 33:
        return False
    return len(value) in _UEID_SIZES.get(value[0], {len(value)})


def _is_sueids(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and 0 < len(value) <= MAX_LIST
        and all(is_plain_text(label) and _is_ueid(each) for label, each in value.items())
    )


def _is_oemid(value: object) -> bool:
    if type(value) is bytes:
        return len(value) in {3, 16}  # IEEE, random
    return type(value) is int and 0 <= value < 2**32  # a Private Enterprise Number


def _is_version(value: object) -> bool:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= 2 or not is_plain_text(value[0]):
        return False
    return len(value) == 1 or type(value[1]) is int or is_plain_text(value[1])


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_INTEGER  # what facts hold; a boot count is far smaller


def _is_time(value: object) -> bool:
    return type(value) is int and -MAX_INTEGER <= value <= MAX_INTEGER


def _is_location(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and {1, 2} <= value.keys()
        and all(type(each) in {int, float} for key, each in value.items() if key in range(1, 8))
    )


def _is_profile(value: object) -> bool:
    return is_plain_text(value) or (type(value) is bytes and 0 < len(value) <= 64)  # a URI, or an OID's content


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) and 0 < len(value) <= MAX_LIST


def _is_formats(value: object) -> bool:
    """Return whether `value` is pairs of content type and content; the content stays opaque (section 4.2.15)."""
    return (
        isinstance(value, list | tuple)
        and 0 < len(value) <= MAX_LIST
        and all(isinstance(each, list | tuple) and len(each) == 2 and _is_content_type(each[0]) for each in value)
    )


def _is_content_type(value: object) -> bool:
    return (type(value) is int and 0 <= value < 2**16) or is_plain_text(value)


# Order is that of the verdict. Every claim here is optional; if it is there, it must be sound.
OPTIONAL: Mapping[int, tuple[Requirement, Callable[[object], bool]]] = {
    IAT: _row("iat", "4.3.1", "an integer time, never a float", _is_time),
    UEID: _row("ueid", "4.2.1", "7 to 33 bytes; of type EUI 7 or 9, of type IMEI 15", _is_ueid),
    SUEIDS: _row("sueids", "4.2.2", "UEIDs by name", _is_sueids),
    OEMID: _row("oemid", "4.2.3", "3 bytes, 16 bytes, or an enterprise number", _is_oemid),
    HWMODEL: _row("hwmodel", "4.2.4", "1 to 32 bytes", lambda value: type(value) is bytes and 1 <= len(value) <= 32),
    HWVERSION: _row("hwversion", "4.2.5", "a version, and its scheme if said", _is_version),
    SWNAME: _row("swname", "4.2.6", "plain text", is_plain_text),
    SWVERSION: _row("swversion", "4.2.7", "a version, and its scheme if said", _is_version),
    OEMBOOT: _row("oemboot", "4.2.8", "true or false", lambda value: type(value) is bool),
    DBGSTAT: _row("dbgstat", "4.2.9", "a state from 0 to 4", lambda value: type(value) is int and 0 <= value <= 4),
    LOCATION: _row("location", "4.2.10", "numbers, latitude and longitude among them", _is_location),
    UPTIME: _row("uptime", "4.2.11", "an integer, not negative", _is_count),
    BOOTCOUNT: _row("bootcount", "4.2.12", "an integer, not negative", _is_count),
    BOOTSEED: _row("bootseed", "4.2.13", "8 to 64 bytes", lambda value: type(value) is bytes and 8 <= len(value) <= 64),
    DLOAS: _row("dloas", "4.2.14", f"1 to {MAX_LIST} certifications", _is_list),
    MANIFESTS: _row("manifests", "4.2.15", "pairs of content type and content", _is_formats),
    MEASUREMENTS: _row("measurements", "4.2.16", "pairs of content type and content", _is_formats),
    MEASRES: _row("measres", "4.2.17", f"1 to {MAX_LIST} results", _is_list),
    INTUSE: _row("intuse", "4.3.3", "a use from 1 to 5", lambda value: type(value) is int and 1 <= value <= 5),
}
PROFILE_IS_KNOWN = Requirement(
    id="eat.profile",
    clause="RFC 9711 section 6.3.15",
    expected="a URI or OID, the one that the media type names, and none that has rules of its own",
)


def check_claims(claims: Claims, nonce: bytes, now: datetime) -> tuple[Check, ...]:
    """Return the outcome of every requirement on the claims of a token, but for its profile and submodules."""
    return (_nonce(claims, nonce), *check_times(claims, now), *check_optional(claims))


def check_times(claims: Claims, now: datetime) -> tuple[Check, Check]:
    """Return whether the token is in its validity; half-open, so at the instant of `exp` it has ended."""
    moment = now.timestamp()
    ended, began = claims.get(EXP, 0), claims.get(NBF, 0)
    expiry = EXPIRY.passed if _is_time(ended) and moment < ended else EXPIRY.failed(described(ended))
    beginning = BEGINNING.passed if _is_time(began) and began <= moment else BEGINNING.failed(described(began))
    return (expiry if EXP in claims else EXPIRY.absent), (beginning if NBF in claims else BEGINNING.absent)


def check_optional(claims: Claims) -> tuple[Check, ...]:
    """Return the outcome of the requirements on claims that may be absent."""
    return tuple(
        (requirement.passed if sound(claims[key]) else requirement.failed(described(claims[key])))
        if key in claims
        else requirement.absent
        for key, (requirement, sound) in OPTIONAL.items()
    )


def check_profile(claims: Claims, *, announced: str | None, elsewhere: frozenset[str]) -> Check:
    """Return whether the profile is the `announced` one, if any, and none of `elsewhere`, with own rules."""
    value = claims.get(PROFILE)
    if announced is not None and value != announced:
        return PROFILE_IS_KNOWN.failed(f"{described(value)}, and the media type names another")
    if value is None:
        return PROFILE_IS_KNOWN.absent if PROFILE not in claims else PROFILE_IS_KNOWN.failed("null")
    if not _is_profile(value) or value in elsewhere:
        return PROFILE_IS_KNOWN.failed(described(value))
    return PROFILE_IS_KNOWN.passed


def _nonce(claims: Claims, nonce: bytes) -> Check:
    value = claims.get(NONCE)
    candidates = value if isinstance(value, list | tuple) and 2 <= len(value) <= MAX_NONCES else [value]
    # The comparison is over bytes as issued: no other encoding of the challenge is ever tried.
    sound = all(type(each) is bytes and len(each) in NONCE_SIZES for each in candidates)
    return NONCE_IS_OURS.passed if sound and nonce in candidates else NONCE_IS_OURS.failed(described(value))


UNREACHED: tuple[Check, ...] = tuple(
    each.unreached
    for each in (PROFILE_IS_KNOWN, NONCE_IS_OURS, EXPIRY, BEGINNING, *(row[0] for row in OPTIONAL.values()))
)
