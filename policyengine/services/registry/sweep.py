"""The sweep: devices that say nothing are decided again when their decision has ended."""

from __future__ import annotations

from datetime import timedelta

from policyengine.services.changes import PruneNonces
from policyengine.services.checkins.redeciding import Redecider
from policyengine.services.errors import ConflictError
from policyengine.services.ports import CheckInReads, Clock, Writer

PRUNED_AT_ONCE = 512  # a delete of some milliseconds, which check-ins may wait behind
SPENT_KEPT = timedelta(days=1)  # after a spent nonce expired: a clock put back by less cannot bring it back to life


class Sweep:
    """Re-decides with the last facts what time alone, or a peer with the same key, has overtaken."""

    def __init__(self, reads: CheckInReads, writer: Writer, clock: Clock, redecider: Redecider) -> None:
        self._reads = reads
        self._writer = writer
        self._clock = clock
        self._redecider = redecider

    def prune(self, *, limit: int = PRUNED_AT_ONCE) -> int:
        """Return how many spent nonces were forgotten, at most `limit`; call until 0. Raises UnavailableError.

        These are of enrolments: later nonces are bound to their device, whose floor is all that need be kept of them.
        """
        before = self._clock.now() - SPENT_KEPT
        hashes = self._reads.spent_before(before, limit)
        if hashes:
            self._writer.apply(PruneNonces(hashes=hashes, expired_before=before))
        return len(hashes)

    def run(self, *, limit: int = 256) -> int:
        """Return how many devices were decided again, at most `limit`; call until 0.

        A device that changed meanwhile is left to whoever changed it. Raises UnavailableError.
        """
        now = self._clock.now()
        views = [self._reads.view(device_id) for device_id in self._reads.expired(now, limit)]
        changes = [
            self._redecider.again(view, view.state, now=now)
            for view in views
            if view is not None and view.state is not None
        ]
        failures = [failure for failure in self._writer.apply_all(changes) if failure is not None]
        for failure in failures:
            if not isinstance(failure, ConflictError):
                raise failure
        return len(changes) - len(failures)
