"""What people see of webhooks, and what they have sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from policyengine.services.actors import Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, MoveJobs
from policyengine.services.errors import ConflictError, MissingError
from policyengine.services.events.delivering import DEAD_LETTER, WEBHOOK, Deliveries, letter_of, place_of
from policyengine.services.events.ports import EventReads
from policyengine.services.events.webhooks import Webhook
from policyengine.services.ports import Clock, Entropy
from policyengine.services.records import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookStanding:
    """How far a webhook is. `behind`: leaves of the log since `next`, whether or not they are for it."""

    name: str
    next: int | None  # the next leaf to tell of; None: no server has run with this webhook yet
    behind: int
    attempts: int
    error: str | None
    next_attempt_at: datetime | None
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that was given up; `asked`: it is to be sent again."""

    index: int
    type: str
    device_id: str | None
    attempts: int
    error: str | None
    given_up_at: datetime | None
    asked: bool


class Webhooks:
    """The webhooks of this server. A viewer who sees some models only sees only webhooks about no others."""

    def __init__(
        self,
        store: EventReads,
        clock: Clock,
        entropy: Entropy,
        *,
        configured: Sequence[Webhook],
        deliveries: Deliveries,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self.configured = tuple(configured)
        self.deliveries = deliveries

    def list(self, viewer: Principal) -> tuple[WebhookStanding, ...]:
        """Return how far each webhook is that `viewer` may see; raises ForbiddenError."""
        demand(viewer, Right.AUDIT)
        jobs = {each.id: each for each in self._store.jobs(WEBHOOK)}
        letters = [letter_of(each).webhook for each in self._store.jobs(DEAD_LETTER)]
        size = self._store.log_head().size
        seen = (each.name for each in self.configured if _sees(viewer, each))
        return tuple(_standing(name, jobs.get(name), size=size, dead=letters.count(name)) for name in seen)

    def dead_letters(self, viewer: Principal, webhook: str) -> tuple[DeadLetter, ...]:
        """Return what `webhook` was not told, in the log's order; raises MissingError, ForbiddenError."""
        demand(viewer, Right.AUDIT)
        self._demand_seen(viewer, webhook)
        found = (_shown(each) for each in self._store.jobs(DEAD_LETTER) if letter_of(each).webhook == webhook)
        return tuple(sorted(found, key=lambda each: each.index))

    def retry(self, actor: Principal, webhook: str, index: int) -> None:
        """Have a dead letter sent again, within a second or so; raises MissingError, ConflictError, ForbiddenError."""
        demand(actor, Right.OPERATE)
        self._demand_seen(actor, webhook)
        name = f"{webhook}/{index}"
        letter = next((each for each in self._store.jobs(DEAD_LETTER) if each.id == name), None)
        if letter is None:
            raise MissingError("there is no such dead letter", code="webhook.missing")
        if letter.done_at is None:
            raise ConflictError("it is to be sent again already", code="webhook.asked")
        now = self._clock.now()
        act = Act(
            actor=actor.name,
            at=now,
            action="webhook.retried",
            subject=webhook,
            detail={"index": index, "device": letter_of(letter).device_id},
            salt=self._entropy.draw(SALT_SIZE),
        )
        self._store.apply(MoveJobs(moves=((letter, replace(letter, done_at=None, run_at=now)),), act=act))

    def _demand_seen(self, viewer: Principal, webhook: str) -> None:
        if not any(each.name == webhook and _sees(viewer, each) for each in self.configured):
            raise MissingError("there is no such webhook", code="webhook.missing")


def _sees(viewer: Principal, webhook: Webhook) -> bool:
    return viewer.models is None or (webhook.models is not None and webhook.models <= viewer.models)


def _standing(name: str, job: Job | None, *, size: int, dead: int) -> WebhookStanding:
    place = None if job is None else place_of(job).next
    return WebhookStanding(
        name=name,
        next=place,
        behind=0 if place is None else size - place,
        attempts=0 if job is None else job.attempts,
        error=None if job is None else job.error,
        next_attempt_at=job.run_at if job is not None and job.attempts else None,
        dead_letters=dead,
    )


def _shown(job: Job) -> DeadLetter:
    letter = letter_of(job)
    return DeadLetter(
        index=letter.index,
        type=letter.type,
        device_id=letter.device_id,
        attempts=job.attempts,
        error=job.error,
        given_up_at=job.done_at,
        asked=job.done_at is None,
    )
