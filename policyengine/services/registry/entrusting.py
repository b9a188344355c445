"""Which gateways may speak for a device: an operator's act, within what the operator may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from policyengine.errors import quoted
from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, TransferDevice
from policyengine.services.errors import ConflictError, InvalidRequestError
from policyengine.services.identification.gateways import MAX_GATEWAYS
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.reasons import stated
from policyengine.services.records import Device, Lifecycle
from policyengine.services.scope import visible_view


class Entrusting:
    """Says for people which gateways may speak for a device."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    def entrust(self, actor: Principal, device_id: DeviceId, gateways: Sequence[DeviceId], *, reason: str) -> None:
        """Let exactly `gateways` speak for a device from now on; none: it speaks for itself. It is decided again.

        Raises MissingError, InvalidRequestError (`request.gateways`), ConflictError (retired, or it is so already).
        """
        demand(actor, Right.OPERATE)
        before = visible_view(self._store, actor, device_id).device
        if before.lifecycle is Lifecycle.RETIRED:
            raise ConflictError(f"device {quoted(device_id)} is retired", code="device.lifecycle")
        now = self._clock.now()
        after = replace(before, gateways=tuple(sorted(set(gateways))), updated_at=now)
        demand_gateways(self._store, actor, (after,))
        if after.gateways == before.gateways:
            raise ConflictError("the device has these gateways already", code="device.gateways")
        detail = {"from": list(before.gateways), "to": list(after.gateways), "reason": stated(reason)}
        act = Act(
            actor=actor.name,
            at=now,
            action="device.gateways",
            subject=device_id,
            detail=detail,
            salt=self._entropy.draw(SALT_SIZE),
        )
        self._store.apply(TransferDevice(before=before, after=after, act=act))


def demand_gateways(store: Store, actor: Principal, devices: Sequence[Device]) -> None:
    """Raise InvalidRequestError for a device with too many gateways, with itself, or with one that there is not.

    A gateway that `actor` may not see is answered like one that is not there.
    """
    entrusted = [device for device in devices if device.gateways]
    for device in entrusted:
        if len(device.gateways) > MAX_GATEWAYS:
            raise _refused(f"device {quoted(device.id)} has more than {MAX_GATEWAYS} gateways", device)
        if device.id in device.gateways:
            raise _refused(f"device {quoted(device.id)} is no gateway of its own", device)
    if entrusted:
        known = _visible(store, actor, {each for device in entrusted for each in device.gateways})
        known |= {device.id for device in devices}
        for device in entrusted:
            for missing in sorted(set(device.gateways) - known):
                raise _refused(f"there is no device {quoted(missing)} to be a gateway", device)


def _visible(store: Store, actor: Principal, wanted: set[DeviceId]) -> set[DeviceId]:
    held = store.registered(sorted(wanted))
    return {name for name, device in held.items() if actor.models is None or device.model in actor.models}


def _refused(message: str, device: Device) -> InvalidRequestError:
    return InvalidRequestError(message, code="request.gateways", field="gateways", device_id=device.id)
