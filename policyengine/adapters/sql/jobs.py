"""Work that is kept: moved from what it was to what it is, or not at all."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy import insert as insert_into

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.adapters.sql.codec import micros_or_none, time_or_none
from policyengine.services.changes import MoveJobs
from policyengine.services.errors import ConflictError
from policyengine.services.moments import micros, moment
from policyengine.services.records import Job

_job = tables.job.c


def move_jobs(batch: Batch, change: MoveJobs) -> None:
    """Carry out every move; raises ConflictError, having written nothing, unless all work is as it was."""
    for before, after in change.moves:
        _demand_unmoved(batch, before, after)
    for before, after in change.moves:
        _move(batch, before, after)
    if change.act is not None:
        batch.act(change.act)


def _demand_unmoved(batch: Batch, before: Job | None, after: Job | None) -> None:
    named = before or after
    if named is None:
        return
    row = batch.connection.execute(select(tables.job).where(_job.id == named.id)).first()
    if (None if row is None else job_of(row)) != before:
        raise ConflictError("the work was taken or done in the meantime", code="state.moved")


def _move(batch: Batch, before: Job | None, after: Job | None) -> None:
    if before is None and after is not None:
        batch.connection.execute(insert_into(tables.job), _row(after))
    elif before is not None and after is not None:
        batch.connection.execute(update(tables.job).where(_job.id == before.id).values(_row(after)))
    elif before is not None:
        batch.connection.execute(delete(tables.job).where(_job.id == before.id))


def _row(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "kind": job.kind,
        "payload": job.payload,
        "run_at": micros(job.run_at),
        "attempts": job.attempts,
        "locked_until": micros_or_none(job.locked_until),
        "done_at": micros_or_none(job.done_at),
        "error": job.error,
    }


def job_of(row: Row[Any]) -> Job:
    """Return the work in a row."""
    return Job(
        id=row.id,
        kind=row.kind,
        payload=row.payload,
        run_at=moment(row.run_at),
        attempts=row.attempts,
        locked_until=time_or_none(row.locked_until),
        done_at=time_or_none(row.done_at),
        error=row.error,
    )
