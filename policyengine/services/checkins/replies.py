"""Replies to check-ins: the decision as the device may see it, and what the device needs to go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.decision.documents import decision_head
from policyengine.decision.facts_json import canonical_without_floats
from policyengine.model.base64url import base64url
from policyengine.model.decision import Tier
from policyengine.model.times import format_timestamp
from policyengine.services.checkins.judging import Judged
from policyengine.services.nonces import CHALLENGE_LIFETIME
from policyengine.services.records import Restriction

JITTER = 0.1  # devices that start together must not stay together: one tenth earlier or later


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What a reply holds beside the decision; stored, because a retry must get the same bytes."""

    attestation_result: str
    next_nonce: bytes
    next_checkin_after: int
    server_time: datetime
    certificate: bytes | None
    chain: tuple[bytes, ...]  # of the certificate, its issuer first
    renew_at: datetime | None = None  # of the certificate the device has from now on

    def stored(self) -> bytes:
        """Return it as the members of a JSON object; whatever is stored here is sent again as it stands."""
        document: dict[str, object] = {
            "attestation_result": self.attestation_result,
            "next_checkin_after": self.next_checkin_after,
            "next_nonce": base64url(self.next_nonce),
            "server_time": format_timestamp(self.server_time),
        }
        if self.renew_at is not None:
            document["renew_at"] = format_timestamp(self.renew_at)
        if self.certificate is not None:
            document |= {
                "certificate": base64url(self.certificate),
                "chain": [base64url(issuer) for issuer in self.chain],
            }
        return canonical_without_floats(document)


def compose(judged: Judged, *, rest: bytes, tier: Tier, restriction: Restriction | None) -> bytes:
    """Return the reply's JSON: the Decision as the device hears it, the effective tier, and `rest`."""
    head = decision_head(judged.decision, judged.id) | {"tier": tier.name.lower()}
    del head["next_checkin_after"]  # `rest` has the one that this device was given
    if restriction is not None:
        head["restriction"] = restriction_document(restriction)
    return b'%b,"findings":[%b],%b' % (canonical_without_floats(head)[:-1], judged.told().encode(), rest[1:])


def restriction_document(restriction: Restriction) -> Mapping[str, object]:
    """Return a person's restriction as JSON."""
    return {
        "tier": restriction.tier.name.lower(),
        "reason": restriction.reason,
        "since": format_timestamp(restriction.since),
    }


def jittered(seconds: int, *, random: bytes) -> int:
    """Return `seconds` moved by at most a tenth, by two random bytes."""
    share = int.from_bytes(random, "big") / 65535
    return max(1, round(seconds * (1 - JITTER + 2 * JITTER * share)))


def nonce_lifetime(next_checkin_after: int) -> timedelta:
    """Return how long the next nonce lives: until the check-in it is for, jitter and a slow device included."""
    return timedelta(seconds=next_checkin_after * (1 + JITTER)) + CHALLENGE_LIFETIME
