"""Values that storage keeps and services read; times are aware UTC, digests are `sha256:` names, keys are DER."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar

from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, Digest
from policyengine.model.policy import Phase

T = TypeVar("T")

HELD_BY_TIER = "tier"  # the reason of a hold that ends by itself when the tier comes back


class Lifecycle(Enum):
    """Where a device stands in the registry."""

    EXPECTED = "expected"
    PENDING = "pending"
    OPERATIONAL = "operational"
    RETIRED = "retired"


class CertificateStatus(Enum):
    """What our CA says of a certificate; `hold` can end, `revoked` cannot."""

    GOOD = "good"
    HOLD = "hold"
    REVOKED = "revoked"

    @property
    def in_words(self) -> str:
        """Return what is said of a certificate after `is`."""
        return "on hold" if self is CertificateStatus.HOLD else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One row of the registry: what operators know of a device, who may speak for it, and how far it has come."""

    id: DeviceId
    vendor: str
    model: str
    serial: str
    device_class: str | None = None
    hw_version: str | None = None
    site: str | None = None
    zone: str | None = None
    labels: Mapping[str, str]
    criticality: str | None = None
    lifecycle: Lifecycle
    created_at: datetime
    updated_at: datetime
    enrolled_at: datetime | None = None
    gateways: tuple[DeviceId, ...] = ()  # who may speak for it, sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """A tier that a person put on a device; the stricter of it and the decision's tier takes effect."""

    tier: Tier
    reason: str
    actor: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """What the last check-in (or sweep) left: one row a device, written every time.

    `version` counts writes and guards each one; `floor` is the issue time of the last spent nonce in microseconds.
    `facts_shared` names a content-addressed document; `facts_own` are the bytes of what only this device has.
    `counters` are the highest values seen of facts that never go back (services/checkins/counters.py).
    `reporter` is the gateway through which the device spoke last; None: it spoke itself.
    """

    device_id: DeviceId
    version: int
    floor: int
    key_spki: bytes
    key_thumbprint: str
    identity_kind: str
    anchor: str | None
    tier: Tier
    decided_tier: Tier
    decision_id: Digest
    outcome: Digest
    decided_at: datetime
    phase: Phase
    bundle: Digest
    generation: int
    facts_digest: Digest
    facts_shared: Digest
    facts_own: bytes
    input_prior: Digest | None
    prior: Digest
    verdicts: bytes
    valid_until: datetime | None
    last_seen: datetime
    restriction: Restriction | None = None
    request_digest: bytes | None = None
    reply: bytes | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    reporter: DeviceId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """A certificate our CA issued, its place in the device's lineage, and the decision that allowed it."""

    issuer: str
    serial: str
    device_id: DeviceId
    decision_id: Digest
    profile: str
    tier: Tier
    lineage: int
    replaces: str | None
    key_thumbprint: str
    not_before: datetime
    not_after: datetime
    certificate: bytes
    status: CertificateStatus
    status_reason: str | None
    status_at: datetime

    @property
    def held_by_person(self) -> bool:
        """Whether a person put it on hold: then the device gets no other certificate until a person releases it."""
        return self.status is CertificateStatus.HOLD and self.status_reason != HELD_BY_TIER


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationProposal:
    """One party's wish to revoke a certificate, which another party must confirm before `expires_at`."""

    id: str
    issuer: str
    serial: str
    device_id: DeviceId
    reason: str
    proposed_by: str
    proposed_party: str
    proposed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """Everything one check-in needs, from one read."""

    device: Device
    state: DeviceState | None
    certificate: CertificateRecord | None
    key_reuse: int
    identity_duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCertificate:
    """What a gate looks at of a certificate; `content` is its DER."""

    content: bytes
    status: CertificateStatus
    status_reason: str | None
    not_before: datetime
    not_after: datetime

    @property
    def is_stopped(self) -> bool:
        """Whether it is revoked, or a person put it on hold; what the device's tier holds is the tier's to judge."""
        held_by_person = self.status is CertificateStatus.HOLD and self.status_reason != HELD_BY_TIER
        return self.status is CertificateStatus.REVOKED or held_by_person


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """Everything a gate asks of a device, from one read. `certificate` is the one it showed, else its current one.

    What a decision gives is None before enrolment, and while the device waits to enrol again.
    """

    device_id: DeviceId
    model: str
    lifecycle: Lifecycle
    tier: Tier | None
    decision_id: Digest | None
    bundle: Digest | None
    valid_until: datetime | None
    certificate: GateCertificate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One rule on one device under one binding, over a half-open interval (`valid_to` None: still so)."""

    device_id: DeviceId
    rule: str
    binding: str | None
    result: str
    reason: str
    mode: str
    action: str
    bundle: Digest
    decision_id: Digest
    failing_since: datetime | None
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlCount:
    """How many devices stand so towards a control (empty: all decided devices), and for how long until then in all.

    `device_time` is in device-microseconds since records began; 0 where the moment asked for was now.
    """

    control: str
    result: str
    source: str
    devices: int
    device_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStance:
    """How one device stands towards a control, and since when its stance is as it is."""

    device_id: DeviceId
    model: str
    site: str | None
    zone: str | None
    result: str
    source: str | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """A stored decision: its document byte for byte, and the inputs that give it again."""

    decision_id: Digest
    device_id: DeviceId
    decided_at: datetime
    phase: Phase
    tier: Tier
    decided_tier: Tier
    previous_tier: Tier | None
    bundle: Digest
    facts_digest: Digest
    facts_shared: Digest
    facts_own: bytes
    prior: Digest | None
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecord:
    """A published bundle; `generation` is set on the one that is active. `height` counts its commit's history."""

    digest: Digest
    commit: str | None
    published_at: datetime
    published_by: str
    generation: int | None = None
    activated_at: datetime | None = None
    activated_by: str | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Which bundle every worker must use; `generation` only ever rises."""

    generation: int
    digest: Digest
    activated_at: datetime
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A component of a model and its digest in hex, as verified evidence has it."""

    model: str
    component: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A measurement that no release endorsed when it was seen: from when to when, on how many devices, on which one."""

    measured: Measured
    first_seen: datetime
    last_seen: datetime
    devices: int
    example: DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """Something that was not believed. Repeats of one code on one device in one hour are one event with a count."""

    id: str
    code: str
    device_id: DeviceId | None
    check: str | None
    detail: str
    first_at: datetime
    last_at: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """An administrative act and who did it; `index` is its place in the log."""

    index: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A person's or program's API token, without its secret."""

    id: str
    name: str
    role: str
    party: str | None
    models: tuple[str, ...] | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used: datetime | None
    revoked_at: datetime | None
    secret_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentToken:
    """A one-time token for one device of the registry, without its secret."""

    token_hash: bytes
    device_id: DeviceId
    key_thumbprint: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    redeemed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """Something that happened to a device: `kind` is decision, certificate, certificate-status, security or act."""

    at: datetime
    kind: str
    summary: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some items and the cursor of the next page (None: no more)."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work that is kept until it is done. Claimed until `locked_until`; `done_at`: it ended, with `error` in vain."""

    id: str
    kind: str
    payload: str  # canonical JSON
    run_at: datetime
    attempts: int = 0
    locked_until: datetime | None = None
    done_at: datetime | None = None
    error: str | None = None
