"""What happens to devices in their life: another place, another device in that place, another board in the same device.

History stays in every case: decisions, certificates, events and acts are never moved or deleted, and the lineage of a
device that gets another key goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from pki.revocation import Reason
from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, RekeyDevice, ReplaceDevice, StatusChange, TransferDevice
from policyengine.services.errors import ConflictError, InvalidRequestError
from policyengine.services.identification.gateways import GATEWAY_KIND
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import MAX_PAGE, Clock, Entropy, PageRequest, Store
from policyengine.services.reasons import stated
from policyengine.services.records import CertificateRecord, CertificateStatus, Device, DeviceView, Lifecycle
from policyengine.services.scope import visible_view

MAX_SERIAL = 256  # as in an import

_IN_LIFE = frozenset({Lifecycle.EXPECTED, Lifecycle.OPERATIONAL})


class Succession:
    """Transfer, replacement and rekeying of devices, for people."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, *, shelf: PolicyShelf) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._shelf = shelf

    def transfer(
        self, actor: Principal, device_id: DeviceId, *, site: str | None, zone: str | None, reason: str
    ) -> None:
        """Say that a device stands elsewhere; None: as before. It is decided again at once.

        Raises MissingError, InvalidRequestError for a place that the fleet does not have, ConflictError (retired, or
        it stands there already).
        """
        demand(actor, Right.OPERATE)
        before = visible_view(self._store, actor, device_id).device
        _demand_in_life(before)
        self._demand_place(site, zone)
        now = self._clock.now()
        after = replace(before, site=site or before.site, zone=zone or before.zone, updated_at=now)
        if (after.site, after.zone) == (before.site, before.zone):
            raise ConflictError("the device stands there already", code="device.place")
        place = {"from": [before.site, before.zone], "to": [after.site, after.zone]}
        act = self._act(actor, "device.transfer", device_id, now, reason=stated(reason), **place)
        self._store.apply(TransferDevice(before=before, after=after, act=act))

    def replace(self, actor: Principal, old_id: DeviceId, new_id: DeviceId, *, reason: str) -> None:
        """Retire a device and let another, registered one take its site, zone, labels, criticality and gateways.

        The certificates of the old one are revoked (`cessationOfOperation`). Raises MissingError, ConflictError (one is
        retired or pending, or they are of different models), InvalidRequestError (both are the same).
        """
        demand(actor, Right.OPERATE)
        if old_id == new_id:
            raise InvalidRequestError("a device does not replace itself", code="request.device", field="by")
        old, new = (visible_view(self._store, actor, each) for each in (old_id, new_id))
        _demand_in_life(old.device)
        _demand_in_life(new.device)
        if old.device.model != new.device.model:
            raise ConflictError(
                f"the devices are of different models, `{old.device.model}` and `{new.device.model}`",
                code="device.model",
            )
        now, said = self._clock.now(), stated(reason)
        inherited = {name: getattr(old.device, name) for name in ("site", "zone", "labels", "criticality", "gateways")}
        self._store.apply(
            ReplaceDevice(
                before=(old.device, new.device),
                old=replace(old.device, lifecycle=Lifecycle.RETIRED, updated_at=now),
                new=replace(new.device, **inherited, updated_at=now),
                revocations=tuple(self._revocations(old, Reason.CESSATION_OF_OPERATION, now)),
                acts=(
                    self._act(actor, "device.replaced", old_id, now, reason=said, by=new_id),
                    self._act(actor, "device.replaces", new_id, now, reason=said, of=old_id),
                ),
            )
        )

    def rekey(self, actor: Principal, device_id: DeviceId, *, serial: str | None, reason: str) -> None:
        """Let a device whose board was swapped enrol again, under the vendor's `serial` of the new one.

        Its certificates are revoked (`superseded`), its key and open one-time tokens never work again, and the next
        enrolment continues its lineage. Raises MissingError, ConflictError (not enrolled, serial of another device).
        """
        demand(actor, Right.REVOKE)
        view = visible_view(self._store, actor, device_id)
        if view.state is None or view.device.lifecycle is not Lifecycle.OPERATIONAL:
            message = f"the device is {view.device.lifecycle.value}: it has no key to end"
            raise ConflictError(message, code="device.lifecycle")
        if view.state.identity_kind == GATEWAY_KIND:
            raise ConflictError("the device has no key to end: its gateways report of it", code="identity.keyless")
        wanted = self._free_serial(view.device, serial)
        now = self._clock.now()
        detail = {"key": view.state.key_thumbprint, "serial": wanted, "reason": stated(reason)}
        self._store.apply(
            RekeyDevice(
                device=replace(view.device, lifecycle=Lifecycle.EXPECTED, serial=wanted, updated_at=now),
                expected_version=view.state.version,
                revocations=tuple(self._revocations(view, Reason.SUPERSEDED, now)),
                act=self._act(actor, "device.rekey", device_id, now, **detail),
            )
        )

    def _free_serial(self, device: Device, serial: str | None) -> str:
        if serial is None or serial == device.serial:
            return device.serial
        if not 0 < len(serial) <= MAX_SERIAL or not serial.isprintable():
            raise InvalidRequestError(f"serial is not 1 to {MAX_SERIAL} printable characters", field="serial")
        if self._store.views_by_serial(device.vendor, serial):
            raise ConflictError("another device is registered with that serial number", code="registry.conflict")
        return serial

    def _demand_place(self, site: str | None, zone: str | None) -> None:
        if site is None and zone is None:
            raise InvalidRequestError("name a site, a zone or both", code="request.place", field="site")
        fleet = self._shelf.active().policies.bundle.fleet
        for name, value, known in (("site", site, fleet.sites), ("zone", zone, fleet.zones)):
            if value is not None and value not in known:
                raise InvalidRequestError(f"the fleet has no {name} `{value}`", code="request.place", field=name)

    def _revocations(self, view: DeviceView, reason: Reason, now: datetime) -> Iterator[StatusChange]:
        """Yield the end of all that could still identify the device: the newest, and what has not expired.

        Raises ConflictError where that takes two parties: they revoke first.
        """
        terms = self._shelf.active().policies.revocation(view.device.model)
        newest = None if view.certificate is None else view.certificate.serial
        for record in self._certificates(view.device.id):
            if record.status is not CertificateStatus.REVOKED and (record.not_after > now or record.serial == newest):
                if terms is not None:
                    message = "the device's certificates must be revoked first, which takes two parties"
                    raise ConflictError(message, code="revocation.two-parties", serial=record.serial)
                yield StatusChange(
                    issuer=record.issuer,
                    serial=record.serial,
                    expected=record.status,
                    status=CertificateStatus.REVOKED,
                    reason=reason.value,
                    at=now,
                )

    def _certificates(self, device_id: DeviceId) -> Iterator[CertificateRecord]:
        cursor: str | None = None
        while True:
            request = PageRequest(cursor=cursor, limit=MAX_PAGE)
            page = self._store.certificates(request, device_id=device_id, status=None, models=None)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next

    def _act(self, actor: Principal, action: str, subject: str, now: datetime, **detail: object) -> Act:
        salt = self._entropy.draw(SALT_SIZE)
        return Act(actor=actor.name, at=now, action=action, subject=subject, detail=detail, salt=salt)


def _demand_in_life(device: Device) -> None:
    if device.lifecycle not in _IN_LIFE:
        raise ConflictError(f"device `{device.id}` is {device.lifecycle.value}", code="device.lifecycle")
