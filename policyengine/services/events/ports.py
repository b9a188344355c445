"""What telling others needs from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from policyengine.errors import PolicyEngineError
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.events.occurrences import Stretch
from policyengine.services.events.webhooks import Webhook
from policyengine.services.filed import FiledReads
from policyengine.services.ports import Writer
from policyengine.services.records import Activation, Job
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingCertificate:
    """A certificate that a device uses, and when it ends."""

    issuer: str
    serial: str
    device_id: DeviceId
    not_after: datetime


class ReminderStore(FiledReads, Writer, Protocol):
    """What is told of because time went on, and what was told already."""

    def activation(self) -> Activation | None:
        """Return which bundle is in force."""
        ...

    def document(self, digest: Digest) -> bytes | None:
        """Return the content that `digest` names."""
        ...

    def jobs(self, kind: str) -> tuple[Job, ...]:
        """Return all work of a kind, by id."""
        ...

    def due_jobs(self, kind: str, now: datetime, limit: int) -> tuple[Job, ...]:
        """Return work of a kind whose time has come, by id; at most `limit`."""
        ...

    def ending_certificates(
        self, now: datetime, *, within: timedelta, share: int, untold: str, limit: int
    ) -> tuple[EndingCertificate, ...]:
        """Return certificates in use that end `within` a time, and of whose life less than one `share`-th is left.

        Those that have a row of work named `untold`, issuer, `/` and serial number are left out.
        """
        ...


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
