"""Gateways that speak for devices which cannot: whom each may speak for, and whose word still counts.

The registry names the gateways of each device. A gateway comes as itself, with its own certificate, and brings either
the device's own evidence, which is then judged as if the device had come, or its own word on a device that has no key.
That word counts while the registry still names the gateway and the gateway would still pass for `gateway` (fleet.yaml
`gate`): it is in service, its tier suffices, and its certificate is neither revoked nor held by a person.
"""

from __future__ import annotations

from policyengine.model.facts import Facts
from policyengine.model.ids import DeviceId
from policyengine.services.errors import RefusedError
from policyengine.services.gate_reads import GateReads
from policyengine.services.identification.claimants import refused
from policyengine.services.policies import PolicyShelf
from policyengine.services.records import Device, DeviceView, GateView, Lifecycle

GATEWAY_KIND = "gateway"  # of fact `identity.kind`: nothing proved who it is, a gateway says so
PURPOSE = "gateway"  # what a gateway must pass for (fleet.yaml `gate`): `full` unless the fleet says otherwise
MAX_GATEWAYS = 8  # of one device: two for redundancy, a few that it roams between

_CODE = "identity.unknown-device"


def unknown_device() -> RefusedError:
    """Return the refusal of a device that is not there, or that the gateway may not speak for."""
    return refused("no such device", _CODE)


def demand_entrusted(gateway: DeviceId, view: DeviceView | None) -> DeviceView:
    """Return the device if `gateway` may speak for it; raises RefusedError, for a foreign one as for a missing one."""
    if view is None or gateway not in view.device.gateways:
        raise unknown_device()
    return view


class Gateways:
    """Whose word counts now."""

    def __init__(self, reads: GateReads, shelf: PolicyShelf) -> None:
        self._reads = reads
        self._shelf = shelf

    def doubted(self, device: Device, facts: Facts) -> frozenset[DeviceId]:
        """Return those who reported something in `facts` of `device` and are not believed any more."""
        reporters = {kept.reporter for kept in facts.provenance.values() if kept.reporter is not None}
        return frozenset(each for each in reporters if not (each in device.gateways and self.passes(each)))

    def passes(self, gateway: DeviceId) -> bool:
        """Tell whether the gateway is worth believing now."""
        view = self._reads.gate_view(gateway)
        if view is None or view.tier is None or view.lifecycle is not Lifecycle.OPERATIONAL:
            return False
        weakest = self._shelf.active().policies.bundle.fleet.passes(PURPOSE)
        return view.tier.value <= weakest.value and not _is_stopped(view)


def _is_stopped(view: GateView) -> bool:
    return view.certificate is None or view.certificate.is_stopped
