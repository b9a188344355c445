"""Revocation by two parties, where the certificate profile asks for them: one proposes, the other confirms.

1. Who proposes may revoke and speaks for one of the profile's two parties.
2. Meanwhile the certificate is on hold, if the profile says so.
3. Who confirms speaks for the other party and is another person; the profile in force then decides once more.
4. A proposal ends at its time. Its hold stays until a person releases it: nothing comes back because nobody acted.
"""

from __future__ import annotations

from datetime import datetime

from pki.revocation import Reason
from policyengine.model.policy import RevocationTerms
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.certification.certificates import Certificates
from policyengine.services.certification.own_certificates import ServiceCertificates
from policyengine.services.changes import SALT_SIZE, Act, CloseProposal, ProposeRevocation, StatusChange
from policyengine.services.errors import ConflictError, ForbiddenError, MissingError
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.reasons import stated
from policyengine.services.records import CertificateRecord, CertificateStatus, RevocationProposal
from policyengine.services.tokens import folded_name

_ID_BYTES = 8


class Revocations:
    """What becomes of wishes to revoke."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        *,
        certificates: Certificates,
        services: ServiceCertificates,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._certificates = certificates
        self._services = services

    def revoke(self, actor: Principal, serial: str, *, reason: Reason) -> RevocationProposal | None:
        """Revoke for good and return None; where the profile asks for two parties, return what waits for the other.

        A certificate of a service of ours has no profile that could ask for two.
        Raises MissingError, ConflictError, and ForbiddenError (`revocation.party`) for one who speaks for neither.
        """
        demand(actor, Right.REVOKE)
        own = self._services.find(actor, serial)
        if own is not None:
            self._services.revoke(actor, own, reason=reason)
            return None
        record = self._certificates.show(actor, serial)
        terms = self._certificates.terms(record)
        if terms is None:
            self._certificates.revoke(actor, serial, reason=reason)
            return None
        party = _party(actor, terms)
        if record.status is CertificateStatus.REVOKED:
            raise ConflictError("the certificate is revoked already", code="certificate.revoked")
        now = self._clock.now()
        proposal = RevocationProposal(
            id=self._entropy.draw(_ID_BYTES).hex(),
            issuer=record.issuer,
            serial=record.serial,
            device_id=record.device_id,
            reason=reason.value,
            proposed_by=actor.name,
            proposed_party=party,
            proposed_at=now,
            expires_at=now + terms.expires,
        )
        detail = {"expires_at": proposal.expires_at.isoformat()}
        act = self._act(actor, "certificate.revocation-proposed", proposal, now, **detail)
        hold = _held(record, proposal) if terms.hold else None
        self._store.apply(ProposeRevocation(proposal=proposal, status=hold, act=act))
        return proposal

    def list(self, viewer: Principal) -> tuple[RevocationProposal, ...]:
        """Return what waits to be confirmed, latest first."""
        demand(viewer, Right.READ)
        now = self._clock.now()
        waiting = (each for each in self._store.revocation_proposals() if each.expires_at > now)
        return tuple(each for each in waiting if self._is_visible(viewer, each))

    def confirm(self, actor: Principal, serial: str, *, proposal: str) -> None:
        """Revoke what another party proposed, as it proposed it.

        Raises MissingError; ConflictError when it ended (`revocation.expired`) or the profile asks for two no more;
        ForbiddenError: `revocation.party`, `revocation.same-party`, `revocation.same-actor`.
        """
        demand(actor, Right.CONCUR)
        record, found = self._found(actor, serial, proposal)
        terms, now = self._certificates.terms(record), self._clock.now()
        if terms is None or found.proposed_party not in terms.approvals:
            message = "the profile does not ask for the party that proposed it any more: withdraw it and begin anew"
            raise ConflictError(message, code="revocation.terms")
        if now >= found.expires_at:
            raise ConflictError(
                f"the proposal ended at {found.expires_at:%Y-%m-%dT%H:%M:%SZ}", code="revocation.expired"
            )
        party = _party(actor, terms)
        if party == found.proposed_party:
            raise ForbiddenError(f"party `{party}` proposed it: another must confirm", code="revocation.same-party")
        if folded_name(actor.name) == folded_name(found.proposed_by):
            raise ForbiddenError(f"`{actor.name}` proposed it: another must confirm", code="revocation.same-actor")
        detail = {"proposed_by": found.proposed_by, "proposed_party": found.proposed_party, "party": party}
        change = _change(record, CertificateStatus.REVOKED, found.reason, now)
        act = self._act(actor, "certificate.revoked", found, now, **detail)
        self._store.apply(CloseProposal(proposal=found, status=change, act=act))

    def withdraw(self, actor: Principal, serial: str, *, proposal: str, reason: str) -> None:
        """End a proposal, and the hold that came with it. Raises MissingError, ForbiddenError (`revocation.party`)."""
        demand(actor, Right.CONCUR)
        record, found = self._found(actor, serial, proposal)
        terms, now = self._certificates.terms(record), self._clock.now()
        if terms is not None and actor.party != found.proposed_party:
            _party(actor, terms)
        release = None
        if record.status is CertificateStatus.HOLD and record.status_reason == _hold_reason(found):
            status, why = self._certificates.after_hold(record)
            release = _change(record, status, why or f"person: {stated(reason)}", now)
        act = self._act(actor, "certificate.revocation-withdrawn", found, now, why=stated(reason))
        self._store.apply(CloseProposal(proposal=found, status=release, act=act))

    def _found(self, actor: Principal, serial: str, proposal: str) -> tuple[CertificateRecord, RevocationProposal]:
        record = self._certificates.show(actor, serial)
        found = next((each for each in self._store.revocation_proposals(serial) if each.id == proposal), None)
        if found is None or found.issuer != record.issuer:
            raise MissingError("nobody proposes that for this certificate", code="revocation.missing")
        return record, found

    def _is_visible(self, viewer: Principal, proposal: RevocationProposal) -> bool:
        view = None if viewer.models is None else self._store.view(proposal.device_id)
        return viewer.models is None or (view is not None and view.device.model in viewer.models)

    def _act(self, actor: Principal, action: str, proposal: RevocationProposal, now: datetime, **more: object) -> Act:
        detail = {"serial": proposal.serial, "reason": proposal.reason, "proposal": proposal.id, "party": actor.party}
        return Act(
            actor=actor.name,
            at=now,
            action=action,
            subject=proposal.device_id,
            detail={**detail, **more},
            salt=self._entropy.draw(SALT_SIZE),
        )


def _party(actor: Principal, terms: RevocationTerms) -> str:
    """Return which of the two parties `actor` speaks for; raises ForbiddenError for neither."""
    if actor.party is None or actor.party not in terms.approvals:
        first, second = terms.approvals
        spoken = "no party" if actor.party is None else f"`{actor.party}`"
        message = f"it takes a token of `{first}` and one of `{second}`; `{actor.name}` speaks for {spoken}"
        raise ForbiddenError(message, code="revocation.party")
    return actor.party


def _held(record: CertificateRecord, proposal: RevocationProposal) -> StatusChange | None:
    """Return the hold while a proposal waits: not where a person holds the certificate already, which stays theirs."""
    if record.held_by_person:
        return None
    return _change(record, CertificateStatus.HOLD, _hold_reason(proposal), proposal.proposed_at)


def _hold_reason(proposal: RevocationProposal) -> str:
    return f"person: revocation proposed by {proposal.proposed_party} ({proposal.id})"


def _change(record: CertificateRecord, status: CertificateStatus, reason: str, at: datetime) -> StatusChange:
    return StatusChange(
        issuer=record.issuer, serial=record.serial, expected=record.status, status=status, reason=reason, at=at
    )
