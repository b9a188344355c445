"""How a device stood at a past moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.records import Restriction


@dataclass(frozen=True, slots=True, kw_only=True)
class PastState:
    """How a device stood at a past moment: as its last decision that changed something left it.

    `last_seen` and `reporter` are None: of check-ins that changed nothing only the last one is kept.
    """

    tier: Tier
    decided_tier: Tier
    decision_id: Digest
    decided_at: datetime
    valid_until: datetime | None
    bundle: Digest
    identity_kind: str
    key_thumbprint: str
    restriction: Restriction | None
    last_seen: datetime | None = None
    reporter: DeviceId | None = None
