"""Taking archived decisions out of the database: only what no read of a later moment needs."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.services.changes import PruneDecisions
from policyengine.services.moments import micros

_decision = tables.decision.c
_state = tables.device_state.c
_certificate = tables.certificate.c


def prunable(before_us: int) -> ColumnElement[bool]:
    """Return the condition that a decision is older, and neither in force then, nor now, nor behind a certificate.

    A certificate that had ended by then needs none; of a reservation that never ended nobody knows.
    """
    later = tables.decision.alias("later")
    comes_later = or_(
        later.c.decided_at > _decision.decided_at,
        and_(
            later.c.decided_at == _decision.decided_at,
            func.coalesce(later.c.log_index, -1) > func.coalesce(_decision.log_index, -1),
        ),
    )
    followed = exists().where(later.c.device_id == _decision.device_id, later.c.decided_at < before_us, comes_later)
    runs = or_(_certificate.not_after >= before_us, _certificate.not_after.is_(None))
    certified = select(_certificate.decision_id).where(runs)
    in_force = exists().where(_state.decision_id == _decision.decision_id)
    return and_(_decision.decided_at < before_us, followed, _decision.decision_id.not_in(certified), ~in_force)


def prune_decisions(batch: Batch, change: PruneDecisions) -> None:
    """Delete what a verified segment holds, with the act that says so."""
    batch.flush()
    batch.connection.execute(delete(tables.decision).where(prunable(micros(change.before))))
    batch.act(change.act)
