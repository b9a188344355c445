"""What only time brings: certificates and exceptions that are about to end, exceptions that ended, feeds too old.

Each is told of once. It is an act of the system's, hence a leaf of the log and an event. A row of work that is made in
the same transaction remembers it, so that of several workers one tells it. The row stays as long as what it tells of is
so, and a while longer: a worker that has not seen the newest policies yet must not make the others tell again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.model.times import format_timestamp
from policyengine.services.actors import SYSTEM
from policyengine.services.changes import SALT_SIZE, Act, MoveJobs
from policyengine.services.errors import ConflictError
from policyengine.services.events.occurrences import (
    EXPIRING,
    FEED_STALE,
    REMINDERS,
    WAIVER_EXPIRED,
    WAIVER_EXPIRING,
)
from policyengine.services.events.ports import EndingCertificate, ReminderStore
from policyengine.services.policies import ActivePolicies, PolicyShelf
from policyengine.services.ports import Clock, Entropy
from policyengine.services.records import Job
from policyengine.services.supply.feeds import feeds_in_use
from policyengine.services.supply.terms import FeedTerms

REMINDER = "reminder"
CERTIFICATE_REMINDER = "certificate-reminder"
CERTIFICATE_NOTICE = timedelta(days=3)  # before the end of one that lives long; a person may have to go there
LIFE_SHARE = 6  # of one that lives shortly the last sixth: devices renew at two thirds, the rest are late
AT_ONCE = 256  # certificates told of in one go: a site that lost its uplink has thousands
WAIVER_NOTICE = timedelta(days=7)  # a new approval by two parties takes some working days
KEPT = timedelta(days=1)  # workers learn of other policies within a second; a clock put back by less repeats nothing

_CERTIFICATE = f"{REMINDERS[EXPIRING]}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """Something that has become so: of which kind, about what, since when it can be told from another of its kind."""

    type: str
    subject: str
    marked: datetime
    detail: Mapping[str, object]

    @property
    def id(self) -> str:
        """The name of the row that remembers it; no webhook's name has a dot."""
        return f"{REMINDERS[self.type]}/{self.subject}/{format_timestamp(self.marked)}"


class Reminders:
    """The work of noticing."""

    def __init__(
        self, store: ReminderStore, clock: Clock, entropy: Entropy, *, shelf: PolicyShelf, terms: FeedTerms
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._shelf = shelf
        self._terms = terms

    def run(self) -> int:
        """Return how many things were told of now that were not before. Raises UnavailableError."""
        now = self._clock.now()
        return self._standing(now) + self._certificates(now)

    def _standing(self, now: datetime) -> int:
        """Tell of what stands in policies and on file, and forget what no longer does."""
        due = {each.id: each for each in self._due(now)}
        told = {job.id: job for job in self._store.jobs(REMINDER)}
        for name, job in told.items():
            if name not in due and job.run_at <= now:
                self._move(MoveJobs(moves=((job, None),)))
        return sum(self._tell(each, now) for name, each in due.items() if name not in told)

    def _certificates(self, now: datetime) -> int:
        """Tell of at most AT_ONCE certificates, and forget as many that have ended."""
        for job in self._store.due_jobs(CERTIFICATE_REMINDER, now, AT_ONCE):
            self._move(MoveJobs(moves=((job, None),)))
        ending = self._store.ending_certificates(
            now, within=CERTIFICATE_NOTICE, share=LIFE_SHARE, untold=_CERTIFICATE, limit=AT_ONCE
        )
        return sum(self._tell_ending(each, now) for each in ending)

    def _tell_ending(self, ending: EndingCertificate, now: datetime) -> bool:
        not_after = format_timestamp(ending.not_after)
        detail = {"device": ending.device_id, "issuer": ending.issuer, "not_after": not_after}
        row = Job(
            id=f"{_CERTIFICATE}{ending.issuer}/{ending.serial}",
            kind=CERTIFICATE_REMINDER,
            payload="{}",
            run_at=ending.not_after + KEPT,
        )
        return self._noted(row, EXPIRING, ending.serial, detail, now)

    def _due(self, now: datetime) -> Iterator[Reminder]:
        if self._store.activation() is not None:
            yield from _waivers(self._shelf.active(), now)
        for feed in feeds_in_use(self._store, self._terms, now):
            if feed.is_stale:
                times = {"observed_at": feed.observed_at, "stale_at": feed.stale_at}
                detail = {"publisher": feed.publisher} | {name: format_timestamp(at) for name, at in times.items()}
                yield Reminder(type=FEED_STALE, subject=feed.name, marked=feed.observed_at, detail=detail)

    def _tell(self, reminder: Reminder, now: datetime) -> bool:
        row = Job(id=reminder.id, kind=REMINDER, payload="{}", run_at=now + KEPT)
        return self._noted(row, reminder.type, reminder.subject, reminder.detail, now)

    def _noted(self, row: Job, kind: str, subject: str, detail: Mapping[str, object], now: datetime) -> bool:
        """Return whether nobody told before, and record that it is told now."""
        salt = self._entropy.draw(SALT_SIZE)
        act = Act(actor=SYSTEM.name, at=now, action=REMINDERS[kind], subject=subject, detail=detail, salt=salt)
        return self._move(MoveJobs(moves=((None, row),), act=act))

    def _move(self, change: MoveJobs) -> bool:
        try:
            self._store.apply(change)
        except ConflictError:
            return False  # another worker was faster
        return True


def _waivers(active: ActivePolicies, now: datetime) -> Iterator[Reminder]:
    """Yield the exceptions of the policies in force that have ended, or end before long."""
    for waiver in active.policies.bundle.waivers:
        if now < waiver.expires - WAIVER_NOTICE:
            continue
        detail = {
            "policy": waiver.policy,
            "rules": sorted(waiver.rules),
            "expires": format_timestamp(waiver.expires),
            "bundle": active.policies.digest,
        }
        kind = WAIVER_EXPIRED if now >= waiver.expires else WAIVER_EXPIRING
        yield Reminder(type=kind, subject=waiver.name, marked=waiver.expires, detail=detail)
