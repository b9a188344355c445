"""Whether a waiver covers a finding: the one function that every path calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from policyengine.decision.selection import selects
from policyengine.model.decision import Outcome
from policyengine.model.expression import facts_read
from policyengine.model.policy import Policy, Rule, Waiver, WaiverTerms


def waivable(policy: Policy, rule: Rule) -> WaiverTerms | None:
    """Return the terms under which `rule` may be waived; None if it may not: no terms, or it checks identity."""
    if any(path[0] == "identity" for path in facts_read(rule.require)):
        return None
    return policy.waivers


def in_force(waiver: Waiver, terms: WaiverTerms, now: datetime) -> bool:
    """Return whether `waiver` runs at `now`: not ended (half-open), and not further ahead than its policy allows."""
    return now < waiver.expires <= now + terms.maximum


def covering(
    waivers: Iterable[Waiver], terms: WaiverTerms, outcome: Outcome, keys: Mapping[str, str | None], now: datetime
) -> Waiver | None:
    """Return the waiver that covers `outcome` on the device with `keys`, the longest running first; None if none does.

    A failure can be covered; an unknown only if the policy's terms say so; a device that cannot be placed is not.
    """
    if outcome is Outcome.PASS or (outcome is Outcome.UNKNOWN and not terms.unknown):
        return None
    found = [waiver for waiver in waivers if in_force(waiver, terms, now) and selects(waiver.where, keys) is True]
    return max(found, key=lambda waiver: (waiver.expires, waiver.name), default=None)
