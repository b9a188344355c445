"""Check-ins that a gateway brings for devices without a way to us: the gateway as itself, the evidence as it is.

1. The gateway's certificate is good now and the gateway passes for `gateway`, as at any gate.
2. The nonce names a device for which the registry names this gateway; a foreign device answers like a missing one.
3. From there on it is the device's check-in: same bytes, same checks, same decision. Only what nobody signed
   (`reported`) carries the gateway's name, and counts as long as the gateway does.
"""

from __future__ import annotations

from dataclasses import replace

from policyengine.services.checkins.checkin import CheckInReply, CheckInRequest, CheckIns
from policyengine.services.gates.gate import Gate
from policyengine.services.gateways.doubts import Doubts
from policyengine.services.identification.gateways import PURPOSE, unknown_device


class Relaying:
    """Takes the check-ins that gateways bring."""

    def __init__(self, gate: Gate, checkins: CheckIns, doubts: Doubts) -> None:
        self._gate = gate
        self._checkins = checkins
        self._doubts = doubts

    async def relay(self, certificate: bytes, request: CheckInRequest) -> CheckInReply:
        """Return the device's reply; `certificate` (DER) is the one that the gateway connected with.

        Raises RefusedError (`gate.*` of the gateway, `gateway.nonce`, `identity.unknown-device`), and as check-ins do.
        """
        passed = await self._gate.demand_open_for_holder(certificate, PURPOSE)
        if passed.device_id is None:  # INVARIANT: an open gate names who passed
            raise unknown_device()
        reply = await self._checkins.check_in(replace(request, gateway=passed.device_id))
        await self._doubts.settle(passed.device_id, (reply.device_id,))
        return reply
