"""Findings and decisions: what was judged of one device, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum

from policyengine.model.facts import Source
from policyengine.model.ids import BindingName, DeviceId, Digest, RuleName
from policyengine.model.policy import Action, Mode, Phase, Place, Severity


class Outcome(Enum):
    """Three-valued logic's answers; a missing or ill-typed fact is UNKNOWN and never passes."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Result(Enum):
    """What a finding says: an Outcome, or that a waiver covers it, or that the rule does not apply."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"
    WAIVED = "waived"
    SKIP = "skip"


class Tier(IntEnum):
    """What a device may do, widest first."""

    FULL = 0
    LIMITED = 1
    QUARANTINE = 2
    DENY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSeen:
    """A fact as a rule saw it."""

    value: object
    source: Source
    observed_at: datetime
    evidence_digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule on one device under one binding (`binding` None: no binding matched, audit only)."""

    rule: RuleName
    policy_version: str
    binding: BindingName | None
    result: Result
    reason: str
    mode: Mode
    action: Action
    severity: Severity
    message: str
    remediation: str
    controls: tuple[str, ...]
    place: Place
    facts: Mapping[str, FactSeen]
    failing_since: datetime | None
    held_until: datetime | None  # an unknown that holds the last decisive action until then
    waiver: str | None
    unknown_since: datetime | None = None
    decisive: Result | None = None  # the last PASS, FAIL or WAIVED, this one included


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleHistory:
    """What the next decision needs of a rule under a binding: since when it has not passed, what it last decided."""

    failing_since: datetime | None
    unknown_since: datetime | None
    decisive: Result | None  # the last PASS, FAIL or WAIVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """The part of the previous decision that the next one depends on; its canonical bytes have a digest."""

    tier: Tier
    decided_tier: Tier
    rules: Mapping[tuple[RuleName, BindingName | None], RuleHistory]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """All findings of one device and the tier that follows.

    `decided_tier` is what the rules say; `tier` is what takes effect. `valid_until` is the next moment at which time
    alone could change it (None: never).
    """

    device_id: DeviceId
    decided_at: datetime
    phase: Phase
    bundle: Digest
    facts: Digest
    prior: Digest | None
    decided_tier: Tier
    tier: Tier
    previous_tier: Tier | None
    valid_until: datetime | None
    findings: tuple[Finding, ...]
    reason: str | None  # why a tier follows from no single finding, e.g. `decision.no-policy`
    next_checkin_after: int  # seconds
