"""The facts that a believed PSA token gives (groups `boot` and `software`); what it does not say stays absent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from policyengine.attestation.psa import claims as psa_claims
from policyengine.attestation.psa.software import Compared, Inventory
from policyengine.attestation.reference import add_matches, compare, sole_release
from policyengine.model.endorsements import ReferenceValues

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


def add_facts(
    facts: dict[str, object],
    claims: psa_claims.Claims,
    software: Inventory,
    *,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> None:
    """Add groups `boot` and `software` of claims that passed every check, compared with `endorsements` at `now`.

    A release that a CoRIM endorses for an implementation id counts for tokens that state it (RFC 9783 4.2.2).
    """
    if endorsements is not None and endorsements.implementations:
        endorsements = endorsements.of_implementation(claims[psa_claims.IMPLEMENTATION_ID].hex())
    compared = _compared(software, endorsements, now)
    boot = _boot(claims, compared.svn)
    if boot:
        facts["boot"] = boot
    if compared.endorsement:
        facts["endorsement"] = compared.endorsement
    if compared.rows:
        facts["software"] = compared.rows


def _compared(software: Inventory, endorsements: ReferenceValues | None, now: datetime) -> Compared:
    """Return how `software` compares; what it comes to as one whole release is kept for the next device."""
    release = sole_release(software.whole, endorsements, now) if endorsements else None
    last = software.last
    if release and last and last.release is release:
        return last
    comparison = compare(software.measured, endorsements=endorsements, now=now)
    rows = [dict(row) for row in software.rows]
    add_matches(rows, comparison)
    compared = Compared(release, comparison.svn, comparison.endorsement, rows)
    if release:
        software.last = compared
    return compared


def _boot(claims: psa_claims.Claims, svn: int | None) -> dict[str, object]:
    boot = dict(_BOOT[claims[psa_claims.LIFECYCLE] >> 8])
    seed = claims.get(psa_claims.BOOT_SEED)
    if seed is not None:
        boot["seed"] = seed.hex()
    if svn is not None:
        boot["svn"] = svn
    return boot
