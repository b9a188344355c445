"""The facts that a believed PSA token gives (groups `boot` and `software`); what it does not say stays absent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from policyengine.attestation.psa import claims as psa_claims
from policyengine.attestation.reference import add_matches, compare
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
    rows, measured = [], []
    for component in claims.get(psa_claims.SOFTWARE, ()):
        row, as_measured = _row(component)
        rows.append(row)
        measured.append(as_measured)
    comparison = compare(measured, endorsements=endorsements, now=now)
    boot, endorsement = _boot(claims, comparison.svn), comparison.endorsement
    if boot:
        facts["boot"] = boot
    if endorsement:
        facts["endorsement"] = endorsement
    if rows:
        add_matches(rows, comparison)
        facts["software"] = rows


def _boot(claims: psa_claims.Claims, svn: int | None) -> dict[str, object]:
    boot = dict(_BOOT[claims[psa_claims.LIFECYCLE] >> 8])
    seed = claims.get(psa_claims.BOOT_SEED)
    if seed is not None:
        boot["seed"] = seed.hex()
    if svn is not None:
        boot["svn"] = svn
    return boot


def _row(component: Mapping[Any, Any]) -> tuple[dict[str, object], Measured | None]:
    """Return what a component says of itself, and its name and SHA-256; None if it has no name or another hash."""
    digest, name = component[psa_claims.VALUE].hex(), component.get(psa_claims.TYPE)
    row = {"digest": digest, "signer": component[psa_claims.SIGNER].hex()}
    is_sha256 = len(digest) == SHA256_HEX
    if psa_claims.VERSION in component:
        row["version"] = component[psa_claims.VERSION]
    if psa_claims.DESCRIPTION in component:
        algorithm, size = _HASHES.get(component[psa_claims.DESCRIPTION].lower(), ("", 0))
        is_sha256 = is_sha256 and algorithm == "sha-256"
        if 2 * size == len(digest):
            row["digest_alg"] = algorithm
    if name is None:
        return row, None
    row["name"] = row["type"] = name
    return row, (name, digest) if is_sha256 else None
