"""The device registry for people: reading it, announcing, admitting, restricting and retiring devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from policyengine.decision.facts_parts import join_document
from policyengine.model.base64url import base64url
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.changes import (
    SALT_SIZE,
    Act,
    ChangeLifecycle,
    CreateEnrolmentToken,
    ImportDevices,
    LowerFloors,
)
from policyengine.services.checkins.judging import Memory, standing_of
from policyengine.services.checkins.redeciding import Redecider
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError
from policyengine.services.identification.enrolment_tokens import token_digest
from policyengine.services.nonces import CLOCK_SKEW
from policyengine.services.past_state import PastState
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, DeviceFilter, Entropy, PageRequest, Store
from policyengine.services.reasons import stated
from policyengine.services.records import (
    CertificateRecord,
    DecisionRecord,
    Device,
    DeviceState,
    DeviceView,
    EnrolmentToken,
    Lifecycle,
    Page,
    Restriction,
    TimelineEntry,
    Verdict,
)
from policyengine.services.registry.entrusting import demand_gateways
from policyengine.services.scope import filtered, missing, visible_view

MAX_IMPORT = 10_000  # devices in one request: one transaction of about a second
MAX_TOKEN_LIFETIME = timedelta(days=90)  # from the factory to the site; longer, and nobody knows where the token went


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDetail:
    """A device, its state (None before enrolment), its current certificate, and what the rules say of it."""

    device: Device
    state: DeviceState | PastState | None
    certificate: CertificateRecord | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A device to announce.

    Of a registered one a list says nothing about what it leaves out (`omitted`, names of attributes), and with
    `labels_gone` nothing about labels that it does not name: they stay.
    """

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
    gateways: tuple[DeviceId, ...] = ()
    omitted: frozenset[str] = frozenset()
    labels_gone: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A one-time token in clear, shown once."""

    token: str
    device_id: DeviceId
    expires_at: datetime


class Devices:
    """Everything people do with devices. A viewer with `models` sees only those; the rest answers as missing."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, *, shelf: PolicyShelf, memory: Memory, redecider: Redecider
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._shelf = shelf
        self._memory = memory
        self._redecider = redecider

    def list(
        self, viewer: Principal, where: DeviceFilter, page: PageRequest
    ) -> Page[tuple[Device, DeviceState | None]]:
        """Return devices by id, at most `page.limit` (bounded by MAX_PAGE)."""
        return self._store.devices(filtered(viewer, where), page)

    def list_at(
        self, viewer: Principal, where: DeviceFilter, page: PageRequest, at: datetime
    ) -> Page[tuple[Device, PastState | None]]:
        """Return the devices that the registry had at `at`, as they were then, by id."""
        return self._store.devices_at(filtered(viewer, where), page, at)

    def show_at(self, viewer: Principal, device_id: DeviceId, at: datetime) -> DeviceDetail:
        """Return one device as it was at `at`. Raises MissingError, also where it was not registered yet."""
        visible_view(self._store, viewer, device_id)
        found = self._store.device_at(device_id, at)
        if found is None:
            raise missing("no device had that id then", "device.missing")
        device, state = found
        return DeviceDetail(
            device=device,
            state=state,
            certificate=self._store.newest_certificate_at(device_id, at),
            verdicts=self._store.verdicts(device_id, at),
        )

    def show(self, viewer: Principal, device_id: DeviceId) -> DeviceDetail:
        """Return one device; after `valid_until` it is decided again first. Raises MissingError."""
        view = self._current(viewer, device_id)
        return DeviceDetail(
            device=view.device,
            state=view.state,
            certificate=view.certificate,
            verdicts=self._store.verdicts(device_id, None),
        )

    def facts(self, viewer: Principal, device_id: DeviceId, *, as_of: datetime | None = None) -> Mapping[str, object]:
        """Return the facts file (DESIGN section 11) of the current decision.

        With `as_of`, that of the last decision that changed something, made at or before it. Raises MissingError.
        """
        view = visible_view(self._store, viewer, device_id)
        kept: DeviceState | DecisionRecord | None = view.state
        if as_of is not None:
            kept = self._store.decision_at(device_id, as_of)
        if kept is None:
            raise missing("the device had not been decided on", "decision.missing")
        return join_document(self._memory.shared_facts(kept.facts_shared), kept.facts_own)

    def decisions(
        self, viewer: Principal, device_id: DeviceId, page: PageRequest, *, as_of: datetime | None = None
    ) -> Page[DecisionRecord]:
        """Return the decisions that changed something, made by `as_of`, newest first. Raises MissingError."""
        visible_view(self._store, viewer, device_id)
        return self._store.decisions(device_id, page, until=as_of)

    def timeline(
        self, viewer: Principal, device_id: DeviceId, page: PageRequest, *, as_of: datetime | None = None
    ) -> Page[TimelineEntry]:
        """Return decisions, certificates, security events and acts until `as_of`, newest first. Raises MissingError."""
        visible_view(self._store, viewer, device_id)
        return self._store.timeline(device_id, page, until=as_of)

    def overview(self, viewer: Principal) -> Mapping[str, Mapping[str, int]]:
        """Return counts of decided devices by model and tier."""
        return self._store.tiers(viewer.models)

    def announce(self, actor: Principal, devices: Iterable[NewDevice]) -> int:
        """Return how many devices were added as expected; known identical ones are left as they are.

        Raises ConflictError when an id is held by another serial, InvalidRequestError for a model that the policies in
        force do not have, or have from another vendor, or for a gateway that there is not, ForbiddenError for a model
        that the actor may not see.
        """
        demand(actor, Right.OPERATE)
        now = self._clock.now()
        announced = tuple(expected_device(device, now) for device in devices)
        if not 1 <= len(announced) <= MAX_IMPORT:
            raise InvalidRequestError(f"devices are not 1 to {MAX_IMPORT}", code="request.devices", field="devices")
        self._demand_known_models(announced)
        _demand_visible_models(actor, announced)
        demand_gateways(self._store, actor, announced)
        added = sum(self._store.view(device.id) is None for device in announced)
        act = self._act(actor, "device.import", announced[0].id, now, count=len(announced))
        self._store.apply(ImportDevices(devices=announced, act=act))
        return added

    def admit(self, actor: Principal, device_id: DeviceId) -> None:
        """Let a pending device enrol at its next check-in. Raises MissingError, ConflictError."""
        view = self._changeable(actor, device_id)
        self._move(actor, view, Lifecycle.PENDING, Lifecycle.EXPECTED, action="device.admit", reason="")

    def create_token(self, actor: Principal, device_id: DeviceId, *, lifetime: timedelta) -> IssuedToken:
        """Return a new one-time enrolment token for an expected device.

        Raises MissingError, ConflictError (not expected), InvalidRequestError (lifetime).
        """
        view = self._changeable(actor, device_id)
        if view.device.lifecycle is not Lifecycle.EXPECTED:
            raise ConflictError(f"the device is {view.device.lifecycle.value}, not expected", code="device.lifecycle")
        if not timedelta(0) < lifetime <= MAX_TOKEN_LIFETIME:
            limit = MAX_TOKEN_LIFETIME.days
            raise InvalidRequestError(f"lifetime is not between 0 and {limit} days", field="lifetime")
        now = self._clock.now()
        token = "pet_" + base64url(self._entropy.draw(32))
        record = EnrolmentToken(
            token_hash=token_digest(token),
            device_id=device_id,
            key_thumbprint=None,
            created_at=now,
            created_by=actor.name,
            expires_at=now + lifetime,
            redeemed_at=None,
        )
        self._store.apply(CreateEnrolmentToken(token=record, act=self._act(actor, "device.token", device_id, now)))
        return IssuedToken(token=token, device_id=device_id, expires_at=record.expires_at)

    def quarantine(self, actor: Principal, device_id: DeviceId, *, reason: str, tier: Tier = Tier.QUARANTINE) -> None:
        """Put `tier` on a device until a person releases it; its certificate goes on hold where the profile says so.

        Raises MissingError, ConflictError (not enrolled), InvalidRequestError (`full` is no restriction).
        """
        if tier is Tier.FULL:
            raise InvalidRequestError("tier `full` restricts nothing", code="request.tier", field="tier")
        view = self._changeable(actor, device_id)
        now = self._clock.now()
        restriction = Restriction(tier=tier, reason=stated(reason), actor=actor.name, since=now)
        self._restrict(actor, view, restriction, self._act(actor, "device.quarantine", device_id, now, reason=reason))

    def release(self, actor: Principal, device_id: DeviceId, *, reason: str) -> None:
        """Lift a person's quarantine; the tier is again what the rules decide. Raises MissingError, ConflictError."""
        view = self._changeable(actor, device_id)
        if view.state is None or view.state.restriction is None:
            raise ConflictError("no person restricted the device", code="device.unrestricted")
        act = self._act(actor, "device.release", device_id, self._clock.now(), reason=stated(reason))
        self._restrict(actor, view, None, act)

    def retire(self, actor: Principal, device_id: DeviceId, *, reason: str) -> None:
        """End a device's service: it can no longer check in; its lineage and history stay.

        Raises MissingError, ConflictError when it is retired already.
        """
        view = self._changeable(actor, device_id)
        if view.device.lifecycle is Lifecycle.RETIRED:
            raise ConflictError("the device is retired already", code="device.retired")
        self._move(actor, view, view.device.lifecycle, Lifecycle.RETIRED, action="device.retire", reason=stated(reason))

    def lower_floors(self, actor: Principal, *, reason: str) -> int:
        """Return how many devices that checked in while a clock was ahead may do so again.

        Only once a new epoch has ended every nonce issued so far (wiring.end_nonces). Raises ForbiddenError.
        """
        demand(actor, Right.ADMINISTER)
        now = self._clock.now()
        ahead = now + CLOCK_SKEW
        count = self._store.floors_ahead(ahead)
        act = self._act(actor, "device.lower-floors", "fleet", now, reason=stated(reason))
        self._store.apply(LowerFloors(ahead_of=ahead, floor=now, act=act))
        return count

    def _current(self, viewer: Principal, device_id: DeviceId) -> DeviceView:
        view = visible_view(self._store, viewer, device_id)
        now = self._clock.now()
        state = view.state
        in_service = view.device.lifecycle is Lifecycle.OPERATIONAL
        if state is None or state.valid_until is None or now < state.valid_until or not in_service:
            return view
        failures = self._store.apply_all((self._redecider.again(view, state, now=now),))
        for failure in failures:
            if failure is not None and not isinstance(failure, ConflictError):
                raise failure
        return visible_view(self._store, viewer, device_id)

    def _changeable(self, actor: Principal, device_id: DeviceId) -> DeviceView:
        demand(actor, Right.OPERATE)
        return visible_view(self._store, actor, device_id)

    def _restrict(self, actor: Principal, view: DeviceView, restriction: Restriction | None, act: Act) -> None:
        state = view.state
        if state is None:
            raise ConflictError("the device has not enrolled", code="device.lifecycle", actor=actor.name)
        standing = replace(standing_of(state), restriction=restriction)
        self._store.apply(self._redecider.under(view, state, standing, act))

    def _move(
        self, actor: Principal, view: DeviceView, before: Lifecycle, after: Lifecycle, *, action: str, reason: str
    ) -> None:
        if view.device.lifecycle is not before:
            raise ConflictError(f"the device is {view.device.lifecycle.value}", code="device.lifecycle")
        now = self._clock.now()
        moved = replace(view.device, lifecycle=after, updated_at=now)
        act = self._act(actor, action, view.device.id, now, reason=reason)
        self._store.apply(ChangeLifecycle(device=moved, expected=before.value, act=act))

    def _demand_known_models(self, devices: tuple[Device, ...]) -> None:
        if self._store.activation() is None:
            return  # devices may be announced before the first policies are
        models = self._shelf.active().policies.bundle.fleet.models
        for device in devices:
            model = models.get(device.model)
            if model is None or model.vendor != device.vendor:
                raise InvalidRequestError(
                    f"device `{device.id}`: model `{device.model}` of vendor `{device.vendor}` is not in the fleet",
                    code="request.model",
                    field="model",
                    device_id=device.id,
                )

    def _act(self, actor: Principal, action: str, subject: str, now: datetime, **detail: object) -> Act:
        salt = self._entropy.draw(SALT_SIZE)
        return Act(actor=actor.name, at=now, action=action, subject=subject, detail=detail, salt=salt)


def _demand_visible_models(actor: Principal, devices: tuple[Device, ...]) -> None:
    foreign = {device.model for device in devices if actor.models is not None and device.model not in actor.models}
    if foreign:
        raise ForbiddenError(f"the token is not for model `{min(foreign)}`", field="model")


def expected_device(device: NewDevice, now: datetime) -> Device:
    """Return the registry row of a device that is announced at `now`."""
    return Device(
        id=device.id,
        vendor=device.vendor,
        model=device.model,
        serial=device.serial,
        device_class=device.device_class,
        hw_version=device.hw_version,
        site=device.site,
        zone=device.zone,
        labels=dict(device.labels),
        criticality=device.criticality,
        gateways=tuple(sorted(set(device.gateways))),
        lifecycle=Lifecycle.EXPECTED,
        created_at=now,
        updated_at=now,
    )
