"""The states of a certificate of ours: good, on hold, or revoked for a reason (RFC 5280 section 5.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from pki.errors import PkiError


class RevocationError(PkiError):
    """A change of state that must not happen: revocation is forever."""

    code = "revocation.refused"


class Reason(Enum):
    """Why a certificate is revoked; the value is its name in CRLs' tooling, `code` its CRLReason number."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"

    @property
    def code(self) -> int:
        """The CRLReason number (RFC 5280 section 5.3.1)."""
        return {
            Reason.UNSPECIFIED: 0,
            Reason.KEY_COMPROMISE: 1,
            Reason.AFFILIATION_CHANGED: 3,
            Reason.SUPERSEDED: 4,
            Reason.CESSATION_OF_OPERATION: 5,
            Reason.PRIVILEGE_WITHDRAWN: 9,
        }[self]


class Status(Enum):
    """The value is what fact `cert.status` says."""

    GOOD = "good"
    HOLD = "hold"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One certificate's state, since when, and, once revoked, why."""

    status: Status
    since: datetime
    reason: Reason | None = None


def held(state: State, *, now: datetime) -> State:
    """Return `state` on hold (certificateHold); raises RevocationError `revocation.final` if it is revoked."""
    return state if state.status is Status.HOLD else _changed(state, State(status=Status.HOLD, since=now))


def released(state: State, *, now: datetime) -> State:
    """Return `state` good again; raises RevocationError `revocation.final` if it is revoked."""
    return state if state.status is Status.GOOD else _changed(state, State(status=Status.GOOD, since=now))


def revoked(state: State, reason: Reason, *, now: datetime) -> State:
    """Return `state` revoked for good; raises RevocationError `revocation.final` if it already is."""
    return _changed(state, State(status=Status.REVOKED, since=now, reason=reason))


def _changed(state: State, after: State) -> State:
    if state.status is Status.REVOKED:
        raise RevocationError("a revoked certificate stays revoked", code="revocation.final")
    return after
