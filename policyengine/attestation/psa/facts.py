"""The facts that a believed PSA token gives (groups `boot` and `software`); what it does not say stays absent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from policyengine.attestation.psa import claims as psa_claims
from policyengine.attestation.reference import Comparison, Match, compare
from policyengine.model.endorsements import Measured, ReferenceValues

_PROVISIONING = {"secure": False, "mode": "unknown", "lifecycle": "provisioning"}
_DEBUG = {"secure": False, "mode": "debug", "debug": "enabled", "lifecycle": "debug"}

# By major state, RFC 9783 section 4.3.1. Only a report in state secured is free of doubt; 0x00 (unknown) says nothing.
_BOOT: Mapping[int, Mapping[str, object]] = {
    0x00: {},
    0x10: _PROVISIONING,
    0x20: _PROVISIONING,
    0x30: {"secure": True, "mode": "production", "debug": "disabled", "lifecycle": "secured"},
    0x40: _DEBUG,
    0x50: _DEBUG,
    0x60: {"secure": False, "mode": "unknown", "lifecycle": "decommissioned"},
}

# IANA "Named Information Hash Algorithm Registry" names, with the spellings that implementations send.
_HASHES = {
    "sha-256": ("sha-256", 32),
    "sha256": ("sha-256", 32),
    "sha-384": ("sha-384", 48),
    "sha384": ("sha-384", 48),
    "sha-512": ("sha-512", 64),
    "sha512": ("sha-512", 64),
}


SHA256_HEX = 64  # characters


def add_facts(
    facts: dict[str, object], claims: psa_claims.Claims, *, endorsements: ReferenceValues | None, now: datetime
) -> None:
    """Add groups `boot` and `software` of claims that passed every check, compared with `endorsements` at `now`."""
    components = claims.get(psa_claims.SOFTWARE, ())
    digests = [each[psa_claims.VALUE].hex() for each in components]
    measured = list(map(_measured, components, digests))
    comparison = compare(measured, endorsements=endorsements, now=now)
    boot = _boot(claims, comparison.svn)
    if boot:
        facts["boot"] = boot
    if comparison.endorsement:
        facts["endorsement"] = comparison.endorsement
    if components:
        matched = zip(components, digests, comparison.matches, strict=True)
        facts["software"] = [_component(each, digest, match, comparison) for each, digest, match in matched]


def _boot(claims: psa_claims.Claims, svn: int | None) -> dict[str, object]:
    boot = dict(_BOOT[claims[psa_claims.LIFECYCLE] >> 8])
    seed = claims.get(psa_claims.BOOT_SEED)
    if seed is not None:
        boot["seed"] = seed.hex()
    if svn is not None:
        boot["svn"] = svn
    return boot


def _measured(component: Mapping[Any, Any], digest: str) -> Measured | None:
    """Return name and SHA-256 of a component, or None if it has no name or another hash was used."""
    name = component.get(psa_claims.TYPE)
    declared = component.get(psa_claims.DESCRIPTION)
    if (
        name is None
        or len(digest) != SHA256_HEX
        or (declared is not None and _HASHES.get(declared.lower()) != ("sha-256", 32))
    ):
        return None
    return name, digest


def _component(component: Mapping[Any, Any], digest: str, match: Match, comparison: Comparison) -> dict[str, object]:
    fact: dict[str, object] = {
        "digest": digest,
        "signer": component[psa_claims.SIGNER].hex(),
        "match": match.value,
    }
    kind = component.get(psa_claims.TYPE)
    if kind is not None:
        fact["name"] = fact["type"] = kind
    version = component.get(psa_claims.VERSION, comparison.version)
    if version is not None:
        fact["version"] = version
    if comparison.svn is not None:
        fact["svn"] = comparison.svn
    declared = component.get(psa_claims.DESCRIPTION)
    if declared is not None:
        algorithm, size = _HASHES.get(declared.lower(), (None, 0))
        if 2 * size == len(digest):
            fact["digest_alg"] = algorithm
    return fact
