"""Findings and decisions: what was judged of one device, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    reporter: DeviceId | None = None  # the gateway that said it of this device


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingTerms:
    """What a rule and its binding fix about every finding (`binding` None: no binding matched, audit only)."""

    rule: RuleName
    policy_version: str
    binding: BindingName | None
    mode: Mode
    action: Action
    severity: Severity
    remediation: str
    controls: tuple[str, ...]
    place: Place
    name: tuple[RuleName, BindingName | None] = field(init=False, repr=False, compare=False)
    heading: str = field(init=False, repr=False, compare=False)  # the fixed beginning of each finding's `line`

    def __post_init__(self) -> None:
        """Make once what each decision would make of every rule."""
        object.__setattr__(self, "name", (self.rule, self.binding))
        controls = " ".join(self.controls)
        heading = f"{self.rule}\n{self.binding}\n{self.mode.value}\n{self.action.name}\n{controls}\n"
        object.__setattr__(self, "heading", heading)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a rule saw: its message with the facts filled in, and those facts by dotted path."""

    message: str
    facts: Mapping[str, FactSeen]


UNSEEN = Sight(message="", facts={})  # of a rule that did not look


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule on one device under one binding. What the rule saw is the decision's to tell: Decision.sights."""

    terms: FindingTerms
    result: Result
    reason: str
    failing_since: datetime | None = None
    unknown_since: datetime | None = None
    held_until: datetime | None = None  # an unknown that holds the last decisive action until then
    decisive: Result | None = None  # the last PASS, FAIL or WAIVED, this one included
    waiver: str | None = None
    line: str = field(init=False, repr=False, compare=False)  # what it says under its terms, as one text to digest

    def __post_init__(self) -> None:
        """Make `line`: a finding that passes is shared by all decisions, so most of them find theirs made."""
        object.__setattr__(self, "line", f"{self.terms.heading}{self.result._value_}\n{self.reason}")

    @property
    def rule(self) -> RuleName:
        """The rule's name."""
        return self.terms.rule

    @property
    def policy_version(self) -> str:
        """The version of the rule's policy."""
        return self.terms.policy_version

    @property
    def binding(self) -> BindingName | None:
        """The binding, None if none matched."""
        return self.terms.binding

    @property
    def mode(self) -> Mode:
        """What the binding does with findings."""
        return self.terms.mode

    @property
    def action(self) -> Action:
        """What the finding asks for when it is enforced."""
        return self.terms.action

    @property
    def severity(self) -> Severity:
        """How bad a failure is."""
        return self.terms.severity

    @property
    def remediation(self) -> str:
        """What to do about a failure."""
        return self.terms.remediation

    @property
    def controls(self) -> tuple[str, ...]:
        """The controls that the policy serves."""
        return self.terms.controls

    @property
    def place(self) -> Place:
        """Where the rule stands."""
        return self.terms.place


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleHistory:
    """What the next decision needs of a rule under a binding: since when it has not passed, what it last decided."""

    failing_since: datetime | None
    unknown_since: datetime | None
    decisive: Result | None  # the last PASS, FAIL or WAIVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """The part of the previous decision that the next one depends on; its canonical bytes have a digest.

    `settled` is no part of it: decisions keep there what they would make of it again (decision/settled.py).
    """

    tier: Tier
    decided_tier: Tier
    rules: Mapping[tuple[RuleName, BindingName | None], RuleHistory]
    settled: dict[object, object] = field(default_factory=dict, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """All findings of one device and the tier that follows.

    `decided_tier` is what the rules say; `tier` is what takes effect. `valid_until` is the next moment at which time
    alone could change it (None: never). `sights` has one Sight a finding, in the same order, made when it is asked
    for: most decisions say what the one before said, and nobody reads them again.
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
    sights: Sequence[Sight] = field(compare=False, repr=False)
    reason: str | None  # why a tier follows from no single finding, e.g. `decision.no-policy`
    next_checkin_after: int  # seconds
