"""After the fact: a gateway that fell while its word was being recorded, which the fall itself could not see yet.

Everything is committed in one order. What a gateway said before it fell is decided again because of the fall
(`doubts_reports`); what was committed after it is found here, by whoever committed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from policyengine.model.ids import DeviceId
from policyengine.services.checkins.redeciding import Redecider
from policyengine.services.errors import ConflictError
from policyengine.services.identification.gateways import Gateways
from policyengine.services.ports import CheckInReads, Clock, Writer


class Doubts:
    """Decides again what a gateway said that is not believed any more."""

    def __init__(
        self, reads: CheckInReads, writer: Writer, clock: Clock, *, gateways: Gateways, redecider: Redecider
    ) -> None:
        self._reads = reads
        self._writer = writer
        self._clock = clock
        self._gateways = gateways
        self._redecider = redecider

    async def settle(self, gateway: DeviceId, devices: Iterable[DeviceId]) -> None:
        """Return once nothing that `gateway` said of `devices` counts, if it does not pass any more.

        Raises UnavailableError.
        """
        if self._gateways.passes(gateway):
            return
        for device in devices:
            view = self._reads.view(device)
            if view is not None and view.state is not None and view.state.reporter == gateway:
                with suppress(ConflictError):  # decided by somebody else since, who saw the gateway as it is
                    await self._writer.submit(self._redecider.again(view, view.state, now=self._clock.now()))
