"""Proposals to revoke: one a certificate, until another party confirms it or somebody withdraws it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete
from sqlalchemy import insert as insert_into

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.adapters.sql.recording import demand_status
from policyengine.model.ids import DeviceId
from policyengine.services.changes import CloseProposal, ProposeRevocation
from policyengine.services.errors import ConflictError
from policyengine.services.moments import micros, moment
from policyengine.services.records import RevocationProposal

_table = tables.revocation_proposal
_proposal = _table.c


def propose_revocation(batch: Batch, change: ProposeRevocation) -> None:
    """Keep a proposal in the place of one that ended; another that stands refuses it by its key."""
    proposal, connection = change.proposal, batch.connection
    of_this = (_proposal.issuer == proposal.issuer) & (_proposal.serial == proposal.serial)
    connection.execute(delete(_table).where(of_this, _proposal.expires_at <= micros(proposal.proposed_at)))
    if connection.execute(_table.select().where(of_this)).first() is not None:
        raise ConflictError("a proposal to revoke the certificate waits already", code="revocation.proposed")
    if change.status is not None:
        demand_status(batch, change.status)
        batch.status(change.status, seed=change.act.salt)
    row = {
        "issuer": proposal.issuer,
        "serial": proposal.serial,
        "id": proposal.id,
        "device_id": proposal.device_id,
        "reason": proposal.reason,
        "proposed_by": proposal.proposed_by,
        "proposed_party": proposal.proposed_party,
        "proposed_at": micros(proposal.proposed_at),
        "expires_at": micros(proposal.expires_at),
    }
    connection.execute(insert_into(_table), row)
    batch.act(change.act)


def close_proposal(batch: Batch, change: CloseProposal) -> None:
    """End a proposal, and do to the certificate what follows; raises ConflictError when it is gone."""
    if change.status is not None:
        demand_status(batch, change.status)
    gone = delete(_table).where(_proposal.id == change.proposal.id)
    if batch.connection.execute(gone).rowcount != 1:
        raise ConflictError("the proposal is gone: somebody confirmed or withdrew it", code="state.moved")
    if change.status is not None:
        batch.status(change.status, seed=change.act.salt)
    batch.act(change.act)


def proposal_of(row: Row[Any]) -> RevocationProposal:
    """Return the proposal in a row."""
    return RevocationProposal(
        id=row.id,
        issuer=row.issuer,
        serial=row.serial,
        device_id=DeviceId(row.device_id),
        reason=row.reason,
        proposed_by=row.proposed_by,
        proposed_party=row.proposed_party,
        proposed_at=moment(row.proposed_at),
        expires_at=moment(row.expires_at),
    )
