"""The profiles of PSA tokens: RFC 9783 and the two that came before it and are still in the field.

All three say the same things. A token is judged under the one profile it declares, and only by that profile's claim
keys: claims of an older profile mean nothing under a newer one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policyengine.attestation.psa import claims as psa_claims

PROFILE_TFM = psa_claims.PROFILE_TFM
PROFILE_2 = "http://arm.com/psa/2.0.0"  # draft-tschofenig-rats-psa-token-08 and later drafts
PROFILE_1 = "PSA_IOT_PROFILE_1"  # draft-tschofenig-rats-psa-token-05 and earlier

_EAN_AND_VERSION = re.compile(r"[0-9]{13}-[0-9]{5}", re.ASCII)
_EAN = re.compile(r"[0-9]{13}(?:-[0-9]{5})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one profile asks for. `keys`: its claim key by that of RFC 9783; None if they are equal.

    `software_required`: whether its tokens list components; else one may say instead that nothing was measured.
    """

    name: str
    certification: re.Pattern[str]
    seed_sizes: range
    seed_required: bool
    software_required: bool = True
    keys: Mapping[int, int] | None = None

    def canonical(self, claims: psa_claims.Claims) -> psa_claims.Claims:
        """Return the claims of this profile under the keys of RFC 9783, and no other claims."""
        if self.keys is None:
            return claims
        return {key: claims[own] for key, own in self.keys.items() if own in claims}


_SHARED_KEYS = (
    *(
        psa_claims.NONCE,
        psa_claims.INSTANCE_ID,
        psa_claims.PROFILE,
        psa_claims.CLIENT_ID,
        psa_claims.LIFECYCLE,
        psa_claims.IMPLEMENTATION_ID,
    ),
    *(psa_claims.CERTIFICATION_REFERENCE, psa_claims.SOFTWARE, psa_claims.VSI),
)
TFM = Profile(name=PROFILE_TFM, certification=_EAN_AND_VERSION, seed_sizes=range(8, 33), seed_required=False)
SECOND = Profile(
    name=PROFILE_2,
    certification=_EAN_AND_VERSION,
    seed_sizes=range(8, 33),
    seed_required=False,
    keys={key: key for key in _SHARED_KEYS} | {psa_claims.BOOT_SEED: 2397},
)
FIRST = Profile(
    name=PROFILE_1,
    certification=_EAN,
    seed_sizes=range(32, 33),
    seed_required=True,
    software_required=False,
    keys={
        psa_claims.PROFILE: -75000,
        psa_claims.CLIENT_ID: -75001,
        psa_claims.LIFECYCLE: -75002,
        psa_claims.IMPLEMENTATION_ID: -75003,
        psa_claims.BOOT_SEED: -75004,
        psa_claims.CERTIFICATION_REFERENCE: -75005,
        psa_claims.SOFTWARE: -75006,
        psa_claims.NO_MEASUREMENTS: -75007,
        psa_claims.NONCE: -75008,
        psa_claims.INSTANCE_ID: -75009,
        psa_claims.VSI: -75010,
    },
)
PROFILES: Mapping[str, Profile] = {each.name: each for each in (TFM, SECOND, FIRST)}
_BY_CLAIM: Mapping[str, Profile] = {each.name: each for each in (TFM, SECOND)}


def declared(claims: Mapping[Any, Any]) -> Profile | None:
    """Return the profile that `claims` declare, or None; profile 1 has its own claim for it, the others share one."""
    if psa_claims.PROFILE in claims:
        value = claims[psa_claims.PROFILE]
        return _BY_CLAIM.get(value) if type(value) is str else None
    return FIRST if claims.get(-75000) == PROFILE_1 else None
