"""What telling others needs from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from policyengine.errors import PolicyEngineError
from policyengine.services.events.occurrences import Stretch
from policyengine.services.events.webhooks import Webhook
from policyengine.services.ports import Writer
from policyengine.services.records import Job
from policyengine.transparency.merkle import Frontier


class UndeliveredError(PolicyEngineError):
    """No answer was had; says why, and neither the address nor the secret."""

    code = "webhook.undelivered"


class Courier(Protocol):
    """The way to others' servers."""

    def send(self, webhook: Webhook, body: bytes, *, message: str, at: datetime) -> int:
        """Return the HTTP status that the signed `body` was answered with; raises UndeliveredError."""
        ...


class NoCourier:
    """The way to nobody, where there are no webhooks."""

    def send(self, webhook: Webhook, body: bytes, *, message: str, at: datetime) -> int:  # noqa: ARG002 - the port's
        """Raise UndeliveredError."""
        raise UndeliveredError(f"there is no way to `{webhook.name}`")


NOBODY = NoCourier()


class EventReads(Writer, Protocol):
    """Where work stands, and what changed."""

    def log_head(self) -> Frontier:
        """Return the log as of the last commit."""
        ...

    def jobs(self, kind: str) -> tuple[Job, ...]:
        """Return all work of a kind, by id."""
        ...

    def occurrences(self, start: int, limit: int) -> Stretch:
        """Return what changed from leaf `start` on, in the log's order; of at most `limit` leaves that may tell it."""
        ...
