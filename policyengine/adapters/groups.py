"""The door before check-ins (port `services.turns.Door`): who comes while others are inside begins with all who did.

Over HTTP requests arrive one by one; those that begin together take each turn together (docs/adr/0039).
"""

from __future__ import annotations

from asyncio import CancelledError, Future, get_running_loop


class Group:
    """Lets those begin together who came while others were inside, so that they take each turn together.

    Whoever comes while nobody is inside begins at once. INVARIANT: whoever goes away, waiting or inside, leaves nobody
    waiting for good.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._waiting: list[Future[None]] = []

    async def __aenter__(self) -> None:
        """Return once the group before is through."""
        if not self._inside:
            self._inside = 1
            return
        admitted: Future[None] = get_running_loop().create_future()
        self._waiting.append(admitted)
        try:
            await admitted
        except CancelledError:
            if not admitted.cancelled():  # it was let in, and went away before its turn came
                self._leave()
            raise

    async def __aexit__(self, *_fault: object) -> None:
        """Leave; the last one lets all in who came meanwhile."""
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        if self._inside:
            return
        came, self._waiting = self._waiting, []
        for admitted in came:
            if not admitted.done():
                admitted.set_result(None)
                self._inside += 1
