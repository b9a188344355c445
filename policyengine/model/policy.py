"""What the parties write, after compilation: fleet, parties, policies, bindings, waivers, profiles, anchors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, IntEnum

from policyengine.model.endorsements import ReferenceValues
from policyengine.model.expression import Node
from policyengine.model.facts import Source
from policyengine.model.ids import BindingName, PartyName, PolicyName, RuleName
from policyengine.model.later import LATER
from policyengine.model.types import Type


class Role(Enum):
    """The four kinds of party."""

    IT = "it"
    ENGINEERING = "engineering"
    OPERATIONS = "operations"
    VENDOR = "vendor"


class Right(Enum):
    """What a party's documents may do."""

    TIGHTEN = "tighten"
    LOOSEN = "loosen"
    ENFORCE = "enforce"
    WAIVE = "waive"
    REFERENCE_VALUES = "reference-values"
    TRUST_ANCHORS = "trust-anchors"


class Severity(IntEnum):
    """How bad a failed rule is, mildest first."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Mode(Enum):
    """What a binding does with a finding: record it, also tell device and channel, or act."""

    AUDIT = "audit"
    WARN = "warn"
    ENFORCE = "enforce"


class Action(IntEnum):
    """What an enforced failure asks for, mildest first; NOTIFY changes no tier."""

    NOTIFY = 0
    LIMITED = 1
    QUARANTINE = 2
    DENY = 3


class Phase(Enum):
    """When a rule is evaluated."""

    ENROLL = "enroll"
    OPERATE = "operate"


class Enforcement(Enum):
    """The fleet's one switch: under OBSERVE everything is computed and shown, nothing acts."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


class UnknownDevices(Enum):
    """What happens to a device that nobody announced."""

    REFUSE = "refuse"
    PENDING = "pending"


class Tighter(Enum):
    """The direction in which a param becomes stricter."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands in the policy repository; `line` and `column` count from 1."""

    file: str
    line: int
    column: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One selector key: `model: {in: [...]}` or `{not_in: [...]}`.

    `key` is a path below `device`: `model`, `site`, `zone`, `class`, `vendor`, `device` (the id), `labels.NAME`, ...
    """

    key: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Clauses that must all hold; no clauses select everything."""

    clauses: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A device model of the fleet and the scheme by which its versions compare."""

    name: str
    vendor: str
    device_class: str
    version_scheme: str
    versions: tuple[str, ...] = ()  # for scheme `ordered`: all versions, oldest first
    keyless: bool | None = field(default=None, metadata=LATER)  # it has no key: its gateways report of it


class Passing(IntEnum):
    """The weakest tier that a gate lets pass, ranked as tiers are (model/decision.py); `deny` never passes."""

    FULL = 0
    LIMITED = 1
    QUARANTINE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The fleet that one server serves."""

    name: str
    enforcement: Enforcement
    unknown_devices: UnknownDevices
    sites: tuple[str, ...]
    zones: tuple[str, ...]
    models: Mapping[str, Model]
    gate: Mapping[str, Passing] | None = field(default=None, metadata=LATER)  # by purpose: the weakest tier that passes

    def passes(self, purpose: str) -> Passing:
        """Return the weakest tier for which the gate is open for `purpose`; of one that nobody named, `full` alone."""
        return Passing.FULL if self.gate is None else self.gate.get(purpose, Passing.FULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyKey:
    """A key that signs for a party (standard base64 in YAML, raw bytes here)."""

    id: str
    ed25519: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Someone with keys, a scope and rights; `endorses` are names its CoRIMs may use beside its own and its models'."""

    name: PartyName
    role: Role
    keys: tuple[PartyKey, ...]
    threshold: int
    scope: Selector
    may: frozenset[Right]
    endorses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamSpec:
    """A typed param. Values are bool, int, float, str, or a tuple of these (durations and versions as text)."""

    name: str
    type: Type
    default: object
    tighter: Tighter | None
    tunable_by: tuple[PartyName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceNeed:
    """What a rule asks of the facts it reads, and what an unknown does: act, or hold for at most `hold`, then act."""

    minimum: Source | None = None
    fresh: timedelta | None = None
    hold: timedelta | None = None  # None: act at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One `require`. `lets` are already inlined in `require` as Bind nodes."""

    name: RuleName
    id: str
    require: Node
    text: str
    evidence: EvidenceNeed
    message: str
    remediation: str
    phases: frozenset[Phase]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverTerms:
    """Under which terms a policy may be waived."""

    maximum: timedelta
    approvals: tuple[PartyName, ...]
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Logic with an owner. `select` is already intersected with the owner's scope."""

    name: PolicyName
    version: str
    owner: PartyName
    title: str
    severity: Severity
    controls: tuple[str, ...]
    select: Selector
    scope: Selector
    exclude: Selector | None
    params: Mapping[str, ParamSpec]
    rules: tuple[Rule, ...]
    ceiling: Action
    waivers: WaiverTerms | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where a policy applies and how hard. `params` hold every param of the policy, defaults filled in."""

    name: BindingName
    policy: PolicyName
    where: Selector
    params: Mapping[str, object]
    mode: Mode
    action: Action
    caps: Mapping[str, int]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A dated exception for exact rules on selected devices."""

    name: str
    policy: PolicyName
    rules: frozenset[RuleName]
    where: Selector
    reason: str
    ticket: str
    compensating_control: str
    approvals: tuple[PartyName, ...]
    expires: datetime
    unknown: bool
    place: Place


LIST_USE = "serials"  # of a trust anchor whose certificates may sign lists of serial numbers
DEVICE_USES = frozenset({"idevid", "ek", "dice", "legacy", "attestation"})  # of those whose certificates devices hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A vendor's CA, the models and serials it may speak for; `certificate` is PEM, `serial` a regular expression."""

    certificate: str
    use: frozenset[str]
    vendor: str
    models: tuple[str, ...]
    serial: str | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class TierTerms:
    """What one tier's certificate has that differs from the profile; None: as the profile says."""

    lifetime: timedelta | None = None
    eku: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationTerms:
    """Which two parties must agree before a certificate of the profile is revoked for good.

    A proposal of one ends after `expires` unless the other confirms it; `hold`: meanwhile the certificate is on hold.
    """

    approvals: tuple[PartyName, ...]
    expires: timedelta
    hold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateProfile:
    """What a device certificate looks like. A tier not named in `tiers` issues nothing."""

    name: str
    models: tuple[str, ...]
    key: tuple[str, ...]
    lifetime: timedelta
    renew_at: float
    subject: str
    san_dns: tuple[str, ...]
    san_uri: tuple[str, ...]
    eku: tuple[str, ...]
    tiers: Mapping[str, TierTerms]
    place: Place
    late_renewal: timedelta | None = field(default=None, metadata=LATER)
    revocation: RevocationTerms | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A clause of a compliance framework: its id, our own words for it, and the edition it is from."""

    id: str
    title: str
    source: str
    edition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Everything compiled from one policy repository; immutable.

    Its canonical bytes (language/bundle.py) name it; the commit it came from stands beside it, not inside.
    """

    fleet: Fleet
    parties: Mapping[PartyName, Party]
    policies: Mapping[PolicyName, Policy]
    bindings: tuple[Binding, ...]
    waivers: tuple[Waiver, ...]
    profiles: tuple[CertificateProfile, ...]
    anchors: tuple[Anchor, ...]
    reference_values: tuple[ReferenceValues, ...]
    controls: Mapping[str, Control]
    org_facts: Mapping[str, Type] = field(default_factory=dict)
