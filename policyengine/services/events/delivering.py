"""Telling each webhook what changed: at least once, in the log's order, and never two of one webhook at a time.

1. Whoever delivers claims the webhook's row for a while; a process that dies under way leaves a claim that ends.
2. The row names the next leaf to tell of. It moves on only when the receiver has answered 2xx, in a commit of its own.
3. Without such an answer it is tried again later, each time about twice as late, and nothing overtakes it.
4. What the receiver refuses for what it is, or does not take for a day, becomes a dead letter, in the commit that moves
   the row on. People see it and may send it again; it then arrives late, and its sequence number says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from policyengine.model.canonical import canonical
from policyengine.services.changes import MoveJobs
from policyengine.services.errors import ConflictError
from policyengine.services.events.occurrences import Occurrence, cloud_event
from policyengine.services.events.ports import Courier, EventReads, UndeliveredError
from policyengine.services.events.webhooks import Webhook
from policyengine.services.moments import micros, moment
from policyengine.services.ports import Clock, Entropy
from policyengine.services.records import Job

WEBHOOK = "webhook"
DEAD_LETTER = "dead-letter"

STRETCH = 64  # leaves read at once
LEASE = timedelta(minutes=2)  # several times what one exchange may take; after a crash nothing is told for that long
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
MAX_DOUBLINGS = 16  # far beyond the longest pause; a day of attempts must not make a number without end
GIVE_UP = timedelta(days=1)  # a receiver that is away comes back to everything, but for what waited this long
REFUSALS = 5  # the same bytes will be refused a sixth time
REFUSED = frozenset({400, 413, 415, 422})  # RFC 9110 section 15.5: it is the content that the receiver minds
_JITTER_BYTES = 2
_JITTER_STEPS = 1 << 8 * _JITTER_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a webhook's row says: the next leaf to tell of, and since when that was tried in vain (microseconds)."""

    next: int
    since: int | None = None

    def payload(self) -> str:
        """Return it as the row keeps it."""
        return canonical({"next": self.next, "since": self.since}).decode()


def place_of(job: Job) -> Place:
    """Return what a webhook's row says."""
    said = json.loads(job.payload)
    return Place(next=said["next"], since=said["since"])


class Deliveries:
    """The work of telling; `source` names this server in every event."""

    def __init__(self, store: EventReads, clock: Clock, entropy: Entropy, courier: Courier, *, source: str) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._courier = courier
        self._source = source
        self._seen: dict[str, int] = {}  # how far the log is known to hold nothing for a webhook: saves a write

    def run(self, webhook: Webhook) -> int:
        """Return how many events were delivered now, at most STRETCH; call again at once until 0.

        A webhook that is new hears of what happens from now on. Raises UnavailableError.
        """
        try:
            return self._run(webhook)
        except ConflictError:
            return 0  # another process was faster, or took over what this one was too slow for

    def _run(self, webhook: Webhook) -> int:
        job = next((each for each in self._store.jobs(WEBHOOK) if each.id == webhook.name), None)
        if job is None:
            self._move(None, self._new(webhook))
            return 0
        now = self._clock.now()
        if job.run_at > now or (job.locked_until is not None and job.locked_until > now):
            return self._again_if_free(webhook, job)
        return self._work(webhook, job)

    def _again_if_free(self, webhook: Webhook, job: Job) -> int:
        """Send what people asked to send again, even while the next event waits for its time."""
        free = job.locked_until is None or job.locked_until <= self._clock.now()
        if not free or not self._asked(webhook):
            return 0
        claimed = self._claim(job)
        count = self._resend(webhook)
        self._move(claimed, replace(claimed, locked_until=None))
        return count

    def _work(self, webhook: Webhook, job: Job) -> int:
        start = max(place_of(job).next, self._seen.get(webhook.name, 0))
        stretch = self._store.occurrences(start, STRETCH)
        wanted = [each for each in stretch.occurrences if webhook.wants(each)]
        if not wanted:
            self._seen[webhook.name] = stretch.next
            return self._again_if_free(webhook, job)
        job = self._claim(job)
        resent, job, told = self._resend(webhook), *self._tell(webhook, job, wanted)
        self._move(job, replace(job, locked_until=None))
        return resent + told

    def _tell(self, webhook: Webhook, job: Job, wanted: Iterable[Occurrence]) -> tuple[Job, int]:
        """Tell what is wanted in order until one is not taken; return the row as it then is, and how many were."""
        told = 0
        for occurrence in wanted:
            error, refused = self._attempt(webhook, occurrence)
            if error is not None:
                return self._failed(webhook, job, occurrence, error, refused=refused), told
            job = self._move(job, self._past(job, occurrence))
            told += 1
        return job, told

    def _attempt(self, webhook: Webhook, occurrence: Occurrence) -> tuple[str | None, bool]:
        """Return why an event was not taken (None: it was), and whether for what it is."""
        body = cloud_event(occurrence, source=self._source)
        try:
            status = self._courier.send(webhook, body, message=str(occurrence.index), at=self._clock.now())
        except UndeliveredError as failure:
            return failure.message, False
        return (None if 200 <= status < 300 else f"the receiver answers {status}"), status in REFUSED

    def _failed(self, webhook: Webhook, job: Job, occurrence: Occurrence, error: str, *, refused: bool) -> Job:
        now, place, attempts = self._clock.now(), place_of(job), job.attempts + 1
        since = micros(now) if place.since is None or place.next != occurrence.index else place.since
        if (refused and attempts >= REFUSALS) or now - moment(since) >= GIVE_UP:
            dead = dead_letter(webhook, occurrence, replace(job, attempts=attempts, error=error, done_at=now))
            past = replace(self._past(job, occurrence), error=error)
            self._store.apply(MoveJobs(moves=((job, past), (None, dead))))
            return past
        waiting = Place(next=occurrence.index, since=since).payload()
        later = replace(job, payload=waiting, attempts=attempts, error=error, run_at=now + self._pause(attempts))
        return self._move(job, later)

    def _past(self, job: Job, occurrence: Occurrence) -> Job:
        now = self._clock.now()
        payload = Place(next=occurrence.index + 1).payload()
        return replace(job, payload=payload, attempts=0, error=None, run_at=now, locked_until=now + LEASE)

    def _pause(self, attempts: int) -> timedelta:
        """Return a time between half of the exponential backoff and all of it: receivers are not met in step."""
        whole = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(attempts - 1, MAX_DOUBLINGS)))
        drawn = int.from_bytes(self._entropy.draw(_JITTER_BYTES), "big")
        return whole / 2 + whole / 2 * (drawn / _JITTER_STEPS)

    def _asked(self, webhook: Webhook) -> tuple[Job, ...]:
        letters = self._store.jobs(DEAD_LETTER)
        return tuple(each for each in letters if each.done_at is None and letter_of(each).webhook == webhook.name)

    def _resend(self, webhook: Webhook) -> int:
        """Send the dead letters that people asked for, once each; return how many were taken."""
        taken = 0
        for letter in self._asked(webhook):
            index = letter_of(letter).index
            found = [each for each in self._store.occurrences(index, 1).occurrences if each.index == index]
            error, _ = self._attempt(webhook, found[0]) if found else ("its device is gone from the records", True)
            if error is None:
                self._store.apply(MoveJobs(moves=((letter, None),)))
                taken += 1
            else:
                again = replace(letter, done_at=self._clock.now(), attempts=letter.attempts + 1, error=error)
                self._store.apply(MoveJobs(moves=((letter, again),)))
        return taken

    def _claim(self, job: Job) -> Job:
        return self._move(job, replace(job, locked_until=self._clock.now() + LEASE))

    def _move(self, before: Job | None, after: Job) -> Job:
        self._store.apply(MoveJobs(moves=((before, after),)))
        return after

    def _new(self, webhook: Webhook) -> Job:
        place = Place(next=self._store.log_head().size)
        return Job(id=webhook.name, kind=WEBHOOK, payload=place.payload(), run_at=self._clock.now())


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a dead letter was, and for whom."""

    webhook: str
    index: int
    type: str
    device_id: str | None


def letter_of(job: Job) -> Letter:
    """Return what a dead letter's row says."""
    return Letter(**json.loads(job.payload))


def dead_letter(webhook: Webhook, occurrence: Occurrence, failed: Job) -> Job:
    """Return the row of an event that was given up, as `failed` says."""
    said = {
        "webhook": webhook.name,
        "index": occurrence.index,
        "type": occurrence.type,
        "device_id": occurrence.device_id,
    }
    name = f"{webhook.name}/{occurrence.index}"
    return replace(failed, id=name, kind=DEAD_LETTER, payload=canonical(said).decode(), locked_until=None)
