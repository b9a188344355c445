"""The public shapes of waivers: what is excepted where, who approved it, and until when."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from api.shapes import Moment, Shape, Word
from policyengine.model.policy import Clause
from policyengine.services.publication.waivers import Covered, WaiverStanding


class ClauseOut(Shape):
    """One condition on a device's registry entry or certified identity; all of a waiver's must hold."""

    key: str
    matches: str
    values: list[str]


class WaiverOut(Shape):
    """A dated exception for exact rules on selected devices."""

    waiver: str
    policy: str
    owner: str
    rules: list[str]
    where: list[ClauseOut]
    reason: str
    ticket: str
    compensating_control: str
    approvals: list[str]
    expires: Moment
    state: Word
    file: str
    line: int


class CoveredOut(Shape):
    """A device on which rules are waived."""

    device_id: str
    rules: list[str]
    since: Moment


class WaiverDetailOut(WaiverOut):
    """A waiver and the devices it covers, by id; no more than a page of them."""

    covers: list[CoveredOut] = Field(max_length=500)


def waiver_out(standing: WaiverStanding) -> WaiverOut:
    """Return the public shape of a waiver."""
    return WaiverOut.model_validate(_shown(standing))


def waiver_detail(standing: WaiverStanding, covered: Sequence[Covered]) -> WaiverDetailOut:
    """Return the public shape of a waiver with what it covers."""
    return WaiverDetailOut.model_validate(_shown(standing) | {"covers": list(covered)})


def _shown(standing: WaiverStanding) -> dict[str, object]:
    waiver = standing.waiver
    return {
        "waiver": waiver.name,
        "policy": waiver.policy,
        "owner": standing.owner,
        "rules": sorted(waiver.rules),
        "where": [_clause(clause) for clause in standing.where.clauses],
        "reason": waiver.reason,
        "ticket": waiver.ticket,
        "compensating_control": waiver.compensating_control,
        "approvals": list(waiver.approvals),
        "expires": waiver.expires,
        "state": standing.state,
        "file": waiver.place.file,
        "line": waiver.place.line,
    }


def _clause(clause: Clause) -> ClauseOut:
    return ClauseOut(key=clause.key, matches="not_in" if clause.negated else "in", values=list(clause.values))
