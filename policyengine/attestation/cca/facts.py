"""The facts that a believed CCA token gives: `boot` and `software` of the platform, and the realm's measurements."""

from __future__ import annotations

from datetime import datetime

from policyengine.attestation.cca import claims as cca_claims
from policyengine.attestation.psa import claims as psa_claims
from policyengine.attestation.psa import facts as psa_facts
from policyengine.attestation.psa.software import inventory
from policyengine.attestation.reference import compare
from policyengine.model.endorsements import ReferenceValues

REALM = "realm"


def add_facts(
    facts: dict[str, object],
    platform: cca_claims.Claims,
    realm: cca_claims.Claims,
    *,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> None:
    """Add groups `boot` and `software` of claims that passed every check, compared with `endorsements` at `now`.

    `boot` is the platform's. The realm's initial measurement is one more component, named `realm`; of its extensible
    measurements those that were ever extended follow, `rem0` to `rem3`.
    """
    components = inventory(platform[psa_claims.SOFTWARE])
    psa_facts.add_facts(facts, platform, components, endorsements=endorsements, now=now)
    software = facts["software"]
    if isinstance(software, list):  # INVARIANT: a platform token has at least one component
        facts["software"] = [*software, *_realm(realm, endorsements, now)]


def _realm(realm: cca_claims.Claims, endorsements: ReferenceValues | None, now: datetime) -> list[dict[str, object]]:
    rows = [(REALM, realm[cca_claims.INITIAL_MEASUREMENT])]
    rows += [
        (f"rem{index}", value) for index, value in enumerate(realm[cca_claims.EXTENSIBLE_MEASUREMENTS]) if any(value)
    ]
    algorithm = realm[cca_claims.REALM_HASH_ALGORITHM]
    measured = [(name, value.hex()) if algorithm == "sha-256" else None for name, value in rows]
    matches = compare(measured, endorsements=endorsements, now=now).matches
    return [
        {"name": name, "digest": value.hex(), "digest_alg": algorithm, "layer": REALM, "match": match.value}
        for (name, value), match in zip(rows, matches, strict=True)
    ]
