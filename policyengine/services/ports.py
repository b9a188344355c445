"""What the use cases need from outside; adapters implement these, tests bring fakes.

Reads are synchronous and see only committed rows. Writes go through one Writer: a change is durable when `submit` or
`apply` returns, and left no trace when it raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from policyengine.errors import PolicyEngineError
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.changes import Change
from policyengine.services.filed import FiledReads
from policyengine.services.fleet_scope import FleetScope
from policyengine.services.gate_reads import GateReads
from policyengine.services.past_state import PastState
from policyengine.services.records import (
    Activation,
    ApiToken,
    AuditEvent,
    BundleRecord,
    CertificateRecord,
    CertificateStatus,
    ControlCount,
    DecisionRecord,
    Device,
    DeviceStance,
    DeviceState,
    DeviceView,
    EnrolmentToken,
    Lifecycle,
    Page,
    RevocationProposal,
    SecurityEvent,
    TimelineEntry,
    Unmatched,
    Verdict,
)
from policyengine.services.revocation_reads import RevocationReads
from policyengine.services.service_certificates import ServiceCertificateReads
from policyengine.transparency.leaf import Leaf
from policyengine.transparency.merkle import Frontier

MAX_PAGE = 500  # rows of one list answer; a page stays well below a megabyte of JSON
DEFAULT_PAGE = 100


class Clock(Protocol):
    """The time of day."""

    def now(self) -> datetime:
        """Return the current time as aware UTC."""
        ...


class Entropy(Protocol):
    """Unpredictable bytes."""

    def draw(self, size: int) -> bytes:
        """Return `size` bytes from a cryptographic source."""
        ...


class Writer(Protocol):
    """The one way to change what is stored."""

    async def submit(self, change: Change) -> None:
        """Return once `change` is committed.

        Raises ConflictError when its guard no longer holds (nothing of it is stored), UnavailableError when storage
        cannot take it or the queue is full.
        """
        ...

    def apply(self, change: Change) -> None:
        """Do as `submit` does, blocking: for command line and administrative requests."""
        ...

    def apply_all(self, changes: Sequence[Change]) -> tuple[PolicyEngineError | None, ...]:
        """Return, once all are settled, each change's failure (None: committed); they share commits."""
        ...


class ResultSigner(Protocol):
    """The key that signs attestation results; never a CA key."""

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return `claims` as a compact JWS (ES256) whose header names the key."""
        ...

    def sign_as(self, kind: str, claims: Mapping[str, object]) -> str:
        """Return `claims` as a JWS of type `kind`, which keeps it apart from results (RFC 8725 section 3.11)."""
        ...

    def jwks(self) -> Mapping[str, object]:
        """Return the public keys as a JWK Set (RFC 7517), for `/.well-known/jwks.json`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Where a page starts (the `next` of the one before) and how many items it has at most."""

    cursor: str | None = None
    limit: int = DEFAULT_PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFilter:
    """Which devices a list shows; None and empty mean any. `models` is also how a viewer's scope is applied."""

    models: frozenset[str] | None = None
    tier: Tier | None = None
    lifecycle: Lifecycle | None = None
    site: str | None = None
    zone: str | None = None
    text: str | None = None  # prefix of the id


class CheckInReads(Protocol):
    """What check-ins and sweeps read."""

    def view_by_tag(self, tag: bytes) -> DeviceView | None:
        """Return the device whose nonce tag (first 16 bytes of SHA-256 of its id) is `tag`."""
        ...

    async def view_at_check_in(self, tag: bytes) -> DeviceView | None:
        """Return the same; check-ins that are ready together may share one read."""
        ...

    def views_by_serial(self, vendor: str, serial: str) -> tuple[DeviceView, ...]:
        """Return the devices registered under a vendor's serial number; more than one is a conflict."""
        ...

    def view(self, device_id: DeviceId) -> DeviceView | None:
        """Return the device called `device_id`."""
        ...

    def key_reuse(self, thumbprint: str, *, beside: DeviceId) -> int:
        """Return how many devices are pinned to a key, not counting `beside`."""
        ...

    def spent_by(self, nonce_hash: bytes) -> DeviceId | None:
        """Return the device that spent an unbound nonce."""
        ...

    def spent_before(self, moment: datetime, limit: int) -> tuple[bytes, ...]:
        """Return hashes of spent unbound nonces that expired before `moment`, longest ago first."""
        ...

    def floors_ahead(self, moment: datetime) -> int:
        """Return how many devices spent a nonce that was issued after `moment`."""
        ...

    def enrolment_token(self, token_hash: bytes) -> EnrolmentToken | None:
        """Return the one-time token with that hash."""
        ...

    def expired(self, now: datetime, limit: int) -> tuple[DeviceId, ...]:
        """Return devices whose decision has ended at `now` or was asked to be made again, longest ago first."""
        ...

    def document(self, digest: Digest) -> bytes | None:
        """Return the content that `digest` names."""
        ...

    def activation(self) -> Activation | None:
        """Return which bundle is in force."""
        ...

    def bundle(self, digest: Digest) -> BundleRecord | None:
        """Return a published bundle's record."""
        ...


class AuditReads(Protocol):
    """What people, programs and auditors read. `models` None: the whole fleet."""

    def devices(self, where: DeviceFilter, page: PageRequest) -> Page[tuple[Device, DeviceState | None]]:
        """Return devices by id."""
        ...

    def registered(self, ids: Sequence[DeviceId]) -> Mapping[DeviceId, Device]:
        """Return the registry rows of those of `ids` that it has, and of ids that differ from one in case only."""
        ...

    def open_tokens(self, ids: Sequence[DeviceId], now: datetime) -> frozenset[DeviceId]:
        """Return those of `ids` that hold a one-time token which can be redeemed at `now`."""
        ...

    def tiers(self, models: frozenset[str] | None) -> Mapping[str, Mapping[str, int]]:
        """Return how many operational devices of each model are in each tier."""
        ...

    def state_of_decision(self, decision_id: Digest) -> DeviceState | None:
        """Return the state whose current decision this is."""
        ...

    def decision(self, decision_id: Digest) -> DecisionRecord | None:
        """Return a decision that changed something."""
        ...

    def decisions(
        self, device_id: DeviceId, page: PageRequest, *, until: datetime | None = None
    ) -> Page[DecisionRecord]:
        """Return a device's decisions that changed something, newest first; with `until` those made by then."""
        ...

    def all_decisions(self) -> Iterator[DecisionRecord]:
        """Yield every stored decision, oldest first."""
        ...

    def all_states(self) -> Iterator[DeviceState]:
        """Yield every device's state, by id."""
        ...

    def verdicts(self, device_id: DeviceId, at: datetime | None) -> tuple[Verdict, ...]:
        """Return what the rules said of a device at a moment; None: now."""
        ...

    def timeline(self, device_id: DeviceId, page: PageRequest, *, until: datetime | None = None) -> Page[TimelineEntry]:
        """Return what happened to a device, newest first; with `until` what had happened by then."""
        ...

    def waived(
        self, rules: Sequence[str], *, at: datetime | None, models: frozenset[str] | None, limit: int
    ) -> tuple[Verdict, ...]:
        """Return what of `rules` was waived on up to `limit` devices at a moment, by device; None: now."""
        ...

    def bundles(self, page: PageRequest, *, at: datetime | None = None) -> Page[BundleRecord]:
        """Return published bundles, newest first; with `at` those of then, and which of them was in force."""
        ...

    def certificates(
        self,
        page: PageRequest,
        *,
        device_id: DeviceId | None,
        status: CertificateStatus | None,
        models: frozenset[str] | None,
    ) -> Page[CertificateRecord]:
        """Return certificates, newest first."""
        ...

    def certificate(self, serial: str) -> CertificateRecord | None:
        """Return a certificate by serial number, lowercase hex without leading zeros."""
        ...

    def revocation_proposals(self, serial: str | None = None) -> tuple[RevocationProposal, ...]:
        """Return the proposals that were neither confirmed nor withdrawn, latest first: all, or of one certificate."""
        ...

    def security_events(self, page: PageRequest, *, device_id: DeviceId | None) -> Page[SecurityEvent]:
        """Return security events, newest first."""
        ...

    def unmatched(self, model: str, limit: int) -> tuple[Unmatched, ...]:
        """Return measurements of `model` that nothing endorsed when they were seen, the latest seen first."""
        ...

    def audit_events(self, page: PageRequest, *, until: datetime | None = None) -> Page[AuditEvent]:
        """Return administrative acts, newest first; with `until` those done by then."""
        ...

    def api_token(self, token_id: str) -> ApiToken | None:
        """Return an API token's record."""
        ...

    def api_tokens(self) -> tuple[ApiToken, ...]:
        """Return all API tokens, newest first."""
        ...

    def log_head(self) -> Frontier:
        """Return the log as of the last commit."""
        ...

    def log_hashes(self, level: int, start: int, count: int) -> Sequence[bytes]:
        """Return up to `count` hashes of a tile level from `start`: of leaves (0), or of full tiles below."""
        ...

    def log_leaves(self, start: int, count: int) -> tuple[Leaf, ...]:
        """Return up to `count` leaves from `start`."""
        ...

    def leaf_of_decision(self, decision_id: Digest) -> int | None:
        """Return where the leaf of a decision stands."""
        ...

    def ping(self) -> None:
        """Return when storage answers; raises UnavailableError."""
        ...


class PastReads(Protocol):
    """What was recorded by a moment. Of check-ins that changed nothing only the last one of each device is kept."""

    def devices_at(self, where: DeviceFilter, page: PageRequest, at: datetime) -> Page[tuple[Device, PastState | None]]:
        """Return the devices that the registry had, as it had them, by id."""
        ...

    def device_at(self, device_id: DeviceId, at: datetime) -> tuple[Device, PastState | None] | None:
        """Return one of them."""
        ...

    def decision_at(self, device_id: DeviceId, at: datetime) -> DecisionRecord | None:
        """Return the last decision on a device that changed something; None while it had no state."""
        ...

    def certificates_at(
        self,
        page: PageRequest,
        at: datetime,
        *,
        device_id: DeviceId | None,
        status: CertificateStatus | None,
        models: frozenset[str] | None,
    ) -> Page[CertificateRecord]:
        """Return what had been issued with the status it had, newest first."""
        ...

    def certificate_at(self, serial: str, at: datetime) -> CertificateRecord | None:
        """Return one of them by serial number."""
        ...

    def newest_certificate_at(self, device_id: DeviceId, at: datetime) -> CertificateRecord | None:
        """Return the last one that had been issued to a device."""
        ...


class ComplianceReads(Protocol):
    """How devices stand towards controls, from sums that are kept as decisions are recorded; `at` None: now."""

    def control_counts(
        self, scope: FleetScope, *, framework: str | None, at: datetime | None
    ) -> tuple[ControlCount, ...]:
        """Return for each control, result and weakest source how many devices; of the controls of `framework` only."""
        ...

    def control_devices(
        self, scope: FleetScope, *, control: str, result: str | None, at: datetime | None, page: PageRequest
    ) -> Page[DeviceStance]:
        """Return the devices that stand towards `control`, with `result` only those, by id."""
        ...

    def activation_at(self, at: datetime) -> Activation | None:
        """Return which bundle was in force at a moment."""
        ...


class ExposureReads(Protocol):
    """Which shared facts (Memory.shared_facts) devices in service have and had."""

    def facts_in_use(self, scope: FleetScope) -> tuple[Digest, ...]:
        """Return each of them once."""
        ...

    def running(
        self, scope: FleetScope, facts: Sequence[Digest], page: PageRequest
    ) -> Page[tuple[Device, DeviceState]]:
        """Return the devices whose facts are among `facts`, by id."""
        ...

    def facts_in_use_at(self, scope: FleetScope, at: datetime) -> tuple[Digest, ...]:
        """Return each of them that was in use at a moment once."""
        ...

    def running_at(
        self, scope: FleetScope, facts: Sequence[Digest], page: PageRequest, at: datetime
    ) -> Page[tuple[Device, DecisionRecord]]:
        """Return the devices whose last decision by then was made on any of `facts`, by id."""
        ...

    def facts_history(self, ids: Sequence[DeviceId]) -> Mapping[DeviceId, Sequence[tuple[datetime, Digest]]]:
        """Return when each device's kept decisions were made on which of them, newest first."""
        ...


class Store(
    CheckInReads,
    AuditReads,
    PastReads,
    ComplianceReads,
    ExposureReads,
    RevocationReads,
    GateReads,
    FiledReads,
    ServiceCertificateReads,
    Writer,
    Protocol,
):
    """All of storage."""
