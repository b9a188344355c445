"""Retention: decisions leave the database only into segments that were verified, oldest first, and never in silence.

A segment is an evidence export of the whole fleet, from where the last one ended. That it was written, and that what it
holds was taken out of the database, are acts in the log, and the log itself stays whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from policyengine.errors import quoted
from policyengine.model.times import format_timestamp, parse_timestamp
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, PruneDecisions, RecordAct
from policyengine.services.errors import ConflictError, InvalidRequestError, MissingError
from policyengine.services.exports.period import ExportRequest, Scope, demand_period
from policyengine.services.exports.ports import ExportStore
from policyengine.services.findings import Finding, warning
from policyengine.services.ports import Clock, Entropy
from policyengine.services.records import AuditEvent

SUBJECT = "records"  # what the acts are about
ARCHIVED, PRUNED = "records.archive", "records.prune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """An archived period, half-open, and the file that holds it by its digest (`sha256:` and hex)."""

    start: datetime
    end: datetime
    digest: str
    decisions: int


class PastActs(Protocol):
    """What is read to know what was archived and pruned."""

    def acts_on(self, subject: str) -> tuple[AuditEvent, ...]:
        """Return the administrative acts on `subject`, oldest first."""
        ...


class Retention:
    """What has been archived, what may be pruned, and from when on the past is still here."""

    def __init__(self, store: ExportStore, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    def due(self, actor: Principal, *, before: datetime) -> ExportRequest:
        """Return what the next segment, which ends at `before`, holds.

        Raises ForbiddenError, MissingError (`records.none`), ConflictError (`records.archived`), InvalidRequestError.
        """
        demand(actor, Right.ADMINISTER)
        segments = self.segments()
        start = segments[-1].end if segments else self._store.first_decision_at()
        if start is None:
            raise MissingError("no decision has been recorded yet", code="records.none")
        if before <= start:
            raise ConflictError(f"nothing is left to archive before {format_timestamp(start)}", code="records.archived")
        request = ExportRequest(framework=None, start=start, end=before, scope=Scope())
        return demand_period(request, now=self._clock.now())

    def keep(self, actor: Principal, segment: Segment) -> None:
        """Record that `segment` was written and verified. Raises ForbiddenError, ConflictError (`records.archived`)."""
        self.due(actor, before=segment.end)
        detail = {**_period(segment), "file": segment.digest, "decisions": segment.decisions}
        self._store.apply(RecordAct(act=self._act(actor, ARCHIVED, detail)))

    def prune(self, actor: Principal, digest: str) -> int:
        """Return how many decisions were deleted: those that the segment holds and that nothing here needs.

        The last decision on each device before the segment's end stays, so that everything from then on is answered as
        before, and what a certificate rests on that is good at that time. Raises ForbiddenError; ConflictError for a
        file that was not archived here (`records.unknown`), or not next (`records.order`).
        """
        demand(actor, Right.ADMINISTER)
        segment = self._next_to_prune(digest)
        count = self._store.prunable(segment.end)
        act = self._act(actor, PRUNED, {**_period(segment), "file": segment.digest, "decisions": count})
        self._store.apply(PruneDecisions(before=segment.end, act=act))
        return count

    def segments(self) -> tuple[Segment, ...]:
        """Return what was archived, oldest first."""
        return tuple(_segment(act) for act in self._store.acts_on(SUBJECT) if act.action == ARCHIVED)

    def kept_since(self) -> datetime | None:
        """Return from when on the past is in the database; None: from the beginning."""
        return kept_since(self._store)

    def _next_to_prune(self, digest: str) -> Segment:
        pruned = {str(act.detail["file"]) for act in self._store.acts_on(SUBJECT) if act.action == PRUNED}
        waiting = [segment for segment in self.segments() if segment.digest not in pruned]
        known = {segment.digest: segment for segment in waiting}
        if digest not in known:
            raise ConflictError(
                f"no segment that waits to be pruned has the digest {quoted(digest)}", code="records.unknown"
            )
        if known[digest] != waiting[0]:
            raise ConflictError(
                f"the segment from {format_timestamp(waiting[0].start)} comes first: the past ends at one moment",
                code="records.order",
            )
        return known[digest]

    def _act(self, actor: Principal, action: str, detail: Mapping[str, object]) -> Act:
        salt = self._entropy.draw(SALT_SIZE)
        return Act(actor=actor.name, at=self._clock.now(), action=action, subject=SUBJECT, detail=detail, salt=salt)


def due_findings(store: ExportStore, *, after: timedelta, now: datetime) -> Iterator[Finding]:
    """Yield that decisions are older than `after` and in no segment, and each segment that was not pruned."""
    acts = store.acts_on(SUBJECT)
    segments = [_segment(act) for act in acts if act.action == ARCHIVED]
    start = segments[-1].end if segments else store.first_decision_at()
    if start is not None and start < now - after:
        message = f"decisions since {format_timestamp(start)} are in no segment, and due after {after.days} days"
        before = format_timestamp((now - after).replace(hour=0, minute=0, second=0, microsecond=0))
        yield warning("records.due", message, f"run `policyengine db archive --before {before} --to FOLDER`")
    pruned = {str(act.detail["file"]) for act in acts if act.action == PRUNED}
    for segment in segments:
        if segment.digest not in pruned and segment.end < now - after:
            message = f"the segment until {format_timestamp(segment.end)} is archived and still in the database"
            yield warning("records.unpruned", message, "run `policyengine db prune FILE` with the segment")


def kept_since(acts: PastActs) -> datetime | None:
    """Return from when on the past is in the database; None: from the beginning."""
    ends = [parse_timestamp(str(act.detail["to"])) for act in acts.acts_on(SUBJECT) if act.action == PRUNED]
    return max(ends, default=None)


def demand_kept(acts: PastActs, moment: datetime, *, path: str) -> None:
    """Raise InvalidRequestError (`request.archived`) when what was recorded at `moment` is in a segment only."""
    since = kept_since(acts)
    if since is not None and moment < since:
        raise InvalidRequestError(
            f"what was recorded before {format_timestamp(since)} was archived; ask the archived segments",
            code="request.archived",
            path=path,
        )


def _period(segment: Segment) -> dict[str, object]:
    return {"from": format_timestamp(segment.start), "to": format_timestamp(segment.end)}


def _segment(act: AuditEvent) -> Segment:
    detail = act.detail
    return Segment(
        start=parse_timestamp(str(detail["from"])),
        end=parse_timestamp(str(detail["to"])),
        digest=str(detail["file"]),
        decisions=int(str(detail["decisions"])),
    )
