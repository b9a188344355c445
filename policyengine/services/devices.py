"""The device registry for people: reading it, announcing, admitting, restricting and retiring devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal
from policyengine.services.ports import DeviceFilter, PageRequest
from policyengine.services.records import (
    CertificateRecord,
    DecisionRecord,
    Device,
    DeviceState,
    Page,
    TimelineEntry,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDetail:
    """A device, its state (None before enrolment), its current certificate, and what the rules say of it now."""

    device: Device
    state: DeviceState | None
    certificate: CertificateRecord | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A device to announce."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A one-time token in clear, shown once."""

    token: str
    device_id: DeviceId
    expires_at: datetime


class Devices:
    """Everything people do with devices. A viewer with `models` sees only those; the rest answers as missing."""

    def list(
        self, viewer: Principal, where: DeviceFilter, page: PageRequest
    ) -> Page[tuple[Device, DeviceState | None]]:
        """Return devices by id, at most `page.limit` (bounded by MAX_PAGE)."""
        raise NotImplementedError

    def show(self, viewer: Principal, device_id: DeviceId) -> DeviceDetail:
        """Return one device; after `valid_until` it is decided again first. Raises MissingError."""
        raise NotImplementedError

    def facts(self, viewer: Principal, device_id: DeviceId, *, as_of: datetime | None = None) -> Mapping[str, object]:
        """Return the facts file (DESIGN section 11) of the last decision made at or before `as_of`. Raises MissingError."""
        raise NotImplementedError

    def decisions(self, viewer: Principal, device_id: DeviceId, page: PageRequest) -> Page[DecisionRecord]:
        """Return the decisions that changed something, newest first. Raises MissingError."""
        raise NotImplementedError

    def timeline(self, viewer: Principal, device_id: DeviceId, page: PageRequest) -> Page[TimelineEntry]:
        """Return decisions, certificates, security events and acts, newest first. Raises MissingError."""
        raise NotImplementedError

    def overview(self, viewer: Principal) -> Mapping[str, Mapping[str, int]]:
        """Return counts by model and tier."""
        raise NotImplementedError

    def announce(self, actor: Principal, devices: Iterable[NewDevice]) -> int:
        """Return how many devices were added as expected; known identical ones are left as they are.

        Raises ConflictError when an id is held by another serial, InvalidRequestError for an unknown model.
        """
        raise NotImplementedError

    def admit(self, actor: Principal, device_id: DeviceId) -> None:
        """Let a pending device enrol at its next check-in. Raises MissingError, ConflictError."""
        raise NotImplementedError

    def create_token(self, actor: Principal, device_id: DeviceId, *, lifetime: timedelta) -> IssuedToken:
        """Return a new one-time enrolment token for an expected device. Raises MissingError, ConflictError."""
        raise NotImplementedError

    def quarantine(self, actor: Principal, device_id: DeviceId, *, reason: str, tier: Tier = Tier.QUARANTINE) -> None:
        """Put `tier` on a device until a person releases it; its certificate goes on hold where the profile says so."""
        raise NotImplementedError

    def release(self, actor: Principal, device_id: DeviceId, *, reason: str) -> None:
        """Lift a person's quarantine; the tier is again what the rules decide."""
        raise NotImplementedError

    def retire(self, actor: Principal, device_id: DeviceId, *, reason: str) -> None:
        """End a device's service: it can no longer check in; its lineage and history stay."""
        raise NotImplementedError
