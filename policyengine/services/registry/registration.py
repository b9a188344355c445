"""Bringing the registry in line with a list of devices, however long: first the difference, then its parts in turn.

A list may be sent again: what is registered as it says is left alone. What identifies a device (vendor, model, serial)
is never changed by a list; what operators say of it (site, zone, labels, gateways and the like) is, and it is then
decided again. What a list leaves out, it says nothing about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, ImportDevices
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.records import Device
from policyengine.services.registry.devices import NewDevice, expected_device
from policyengine.services.registry.entrusting import demand_gateways
from policyengine.services.registry.naming import demand_distinct

MAX_DEVICES = 1_000_000  # in one list; a fleet's worth, and what memory holds while it is compared
CHUNK = 5_000  # devices in one transaction: half a second, in which check-ins wait

T = TypeVar("T")

_IDENTITY = ("vendor", "model", "serial")
_OPERATORS_SAY = ("device_class", "hw_version", "site", "zone", "labels", "criticality", "gateways")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A registered device and what a list says of it."""

    before: Device
    after: Device

    @property
    def fields(self) -> Mapping[str, tuple[object, object]]:
        """What differs: name to before and after."""
        names = (*_IDENTITY, *_OPERATORS_SAY)
        pairs = {name: (getattr(self.before, name), getattr(self.after, name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryDiff:
    """What a list would change. With a conflict nothing is carried out."""

    new: tuple[Device, ...]
    changed: tuple[Changed, ...]
    unchanged: int
    conflicts: tuple[Changed, ...]


class Registration:
    """Imports lists of devices; for the command line, where an operator waits and watches."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, shelf: PolicyShelf) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._shelf = shelf

    def compare(self, actor: Principal, devices: Sequence[NewDevice]) -> RegistryDiff:
        """Return how `devices` differ from the registry.

        Raises InvalidRequestError for a device named twice, a model that the policies in force do not have, or a
        gateway that there is not, ForbiddenError for a model that the actor may not see, ConflictError
        (`device.exists`) for a new id that is another's but for case.
        """
        demand(actor, Right.OPERATE)
        if not 1 <= len(devices) <= MAX_DEVICES:
            raise InvalidRequestError(f"devices are not 1 to {MAX_DEVICES}", code="request.devices", field="devices")
        _demand_once(devices)
        self._demand_models(actor, devices)
        now = self._clock.now()
        demand_gateways(self._store, actor, [expected_device(device, now) for device in devices])
        new: list[Device] = []
        changed: list[Changed] = []
        conflicts: list[Changed] = []
        for part in _parts(devices):
            held = self._store.registered([device.id for device in part])
            demand_distinct([device.id for device in part if device.id not in held], held)
            for device in part:
                _sort(device, held.get(device.id), new, changed, conflicts, now)
        return RegistryDiff(
            new=tuple(new),
            changed=tuple(changed),
            unchanged=len(devices) - len(new) - len(changed) - len(conflicts),
            conflicts=tuple(conflicts),
        )

    def carry_out(self, actor: Principal, diff: RegistryDiff, *, done: Callable[[int], None]) -> None:
        """Write `diff`, a transaction per CHUNK devices, and tell `done` how many are; stopping halfway loses nothing.

        Raises ConflictError, having written nothing, if the list contradicts the registry.
        """
        demand(actor, Right.OPERATE)
        if diff.conflicts:
            first = diff.conflicts[0].before.id
            raise ConflictError(
                f"device `{first}` is registered with another identity; nothing was imported",
                code="registry.conflict",
                device_id=first,
                count=len(diff.conflicts),
            )
        written = 0
        changed = [each.after for each in diff.changed]
        for new, updated in [*((part, ()) for part in _parts(diff.new)), *(((), part) for part in _parts(changed))]:
            self._store.apply(self._import(actor, new, updated))
            written += len(new) + len(updated)
            done(written)

    def _import(self, actor: Principal, new: Sequence[Device], updated: Sequence[Device]) -> ImportDevices:
        first = [*new, *updated][0]
        act = Act(
            actor=actor.name,
            at=self._clock.now(),
            action="device.import",
            subject=first.id,
            detail={"new": len(new), "updated": len(updated)},
            salt=self._entropy.draw(SALT_SIZE),
        )
        return ImportDevices(devices=tuple(new), updated=tuple(updated), act=act)

    def _demand_models(self, actor: Principal, devices: Sequence[NewDevice]) -> None:
        models = None if self._store.activation() is None else self._shelf.active().policies.bundle.fleet.models
        for device in devices:
            if actor.models is not None and device.model not in actor.models:
                raise ForbiddenError(f"the token is not for model `{device.model}`", field="model")
            known = None if models is None else models.get(device.model)
            if models is not None and (known is None or known.vendor != device.vendor):
                raise InvalidRequestError(
                    f"device `{device.id}`: model `{device.model}` of vendor `{device.vendor}` is not in the fleet",
                    code="request.model",
                    field="model",
                    device_id=device.id,
                )


def _sort(
    device: NewDevice,
    held: Device | None,
    new: list[Device],
    changed: list[Changed],
    conflicts: list[Changed],
    now: datetime,
) -> None:
    wanted = expected_device(device, now)
    if held is None:
        new.append(wanted)
        return
    said = {name: getattr(wanted, name) for name in _OPERATORS_SAY if name not in device.omitted}
    if device.labels_gone is not None:
        kept = {name: value for name, value in held.labels.items() if name not in device.labels_gone}
        said["labels"] = {**kept, **wanted.labels}
    identity = {name: getattr(wanted, name) for name in _IDENTITY}
    pair = Changed(before=held, after=replace(held, **identity, **said, updated_at=now))
    if identity.items() - {name: getattr(held, name) for name in _IDENTITY}.items():
        conflicts.append(pair)
    elif pair.fields:
        changed.append(pair)


def _demand_once(devices: Sequence[NewDevice]) -> None:
    seen: dict[DeviceId, int] = {}
    for at, device in enumerate(devices, 1):
        first = seen.setdefault(device.id, at)
        if first != at:
            raise InvalidRequestError(
                f"device `{device.id}` stands in the list twice, as number {first} and {at}",
                code="request.devices",
                field="id",
                device_id=device.id,
            )


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), CHUNK):
        yield items[at : at + CHUNK]
