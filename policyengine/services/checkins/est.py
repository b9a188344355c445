"""EST (RFC 7030, RFC 8951): certificates for unmodified standard clients, by the same decision as at a check-in.

1. The request proves possession of its key.
2. TLS or a one-time token proves who asks (est_identity.py).
3. The policies decide, from the evidence in the request (request_evidence.py), or that of the last check-in where there
   was one, and from what is known now.
4. If the tier holds certificates, one is reserved (committed) and signed, then committed together with its decision.
5. If it does not because something is unknown, the client is told to come back: with evidence, or after a check-in.

Evidence in the request answers a challenge bound to its key. Without it, the key that attested and the key in the
request are linked by the TLS connection: the identity pinned to the former asks, over a channel it authenticated, for a
certificate of the latter (docs/adr/0013-est.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509

from pki.certificates import alternative_names, load_certificate, name_text
from pki.errors import KeyRefusedError, PkiError, RequestError
from pki.profile import Profile
from pki.request import ProvenRequest, parse_request
from policyengine.errors import quoted
from policyengine.model.policy import Phase
from policyengine.services.certification.issuing import Issuance
from policyengine.services.changes import SALT_SIZE, Act, Enrolment, RecordDecision
from policyengine.services.checkins.admission import WAITS_FOR_A_PERSON, pending_device
from policyengine.services.checkins.csr_evidence import Carried, carried
from policyengine.services.checkins.gathering import Context, gather_identified
from policyengine.services.checkins.judging import Standing, judge, record_of, standing_of, state_after
from policyengine.services.checkins.redeciding import Redecider
from policyengine.services.checkins.refusals import security_event
from policyengine.services.checkins.request_evidence import RequestEvidence, request_digest
from policyengine.services.checkins.settling import Decided, Issued, Pending, Settlement, issued
from policyengine.services.errors import ConflictError, MissingError, RefusedError, ServiceError, UnavailableError
from policyengine.services.identification.claimants import Claimant, UnannouncedError
from policyengine.services.identification.est_identity import (
    Credentials,
    Shown,
    adopted,
    holder_of,
    lost_answer,
    newcomer,
    ours,
    renewer,
    shown,
)
from policyengine.services.policies import ActivePolicies, PolicyShelf
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.records import DeviceState, DeviceView, Lifecycle
from policyengine.services.turns import turn

MAX_ATTEMPTS = 5  # times a request is decided again because its device changed meanwhile
APPROVAL_SECONDS = 600  # a person has to act; asking every minute would only fill the log

_MOVED = frozenset({"state.moved", "nonce.spent", "enrolment.token-spent"})

Identify = Callable[[ProvenRequest, Shown, ActivePolicies, datetime], Claimant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request as sent (DER), what it proves, and the evidence it carries."""

    csr: bytes
    request: ProvenRequest
    evidence: Carried | None


class Est:
    """Enrolment and re-enrolment over EST."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        *,
        shelf: PolicyShelf,
        redecider: Redecider,
        issuance: Issuance,
        evidence: RequestEvidence,
        trust: tuple[bytes, ...],
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._shelf = shelf
        self._redecider = redecider
        self._issuance = issuance
        self._evidence = evidence
        self._settlement = Settlement(store, issuance)
        self.chain = trust  # the CAs a client must know, DER: issuing CA and root first (RFC 7030 section 4.1)

    async def enrol(self, csr: bytes, given: Credentials, *, label: str | None) -> Issued | Pending:
        """Return the certificate that `csr` (DER) asks for, or that it is too early (RFC 7030 section 4.2.1).

        Raises RequestError, KeyRefusedError, UnauthenticatedError, RefusedError, ConflictError, MissingError for a
        label that is not the device's profile, UnavailableError.
        """
        return await self._answered(csr, given, label, self._as_newcomer)

    async def reenrol(self, csr: bytes, given: Credentials, *, label: str | None) -> Issued | Pending:
        """Return the renewal of the certificate shown in TLS (RFC 7030 section 4.2.2).

        Raises as `enrol`; RefusedError `est.names` when subject or alternative names differ from the certificate's.
        """
        return await self._answered(csr, given, label, self._as_renewer)

    def labelled(self, label: str) -> Profile:
        """Return the certificate profile that `label` names; raises MissingError."""
        profiles = self._shelf.active().policies.profiles.values()
        found = next((profile for profile in profiles if profile.name == label), None)
        if found is None:
            raise _no_label(label)
        return found

    def profile_of(self, given: Credentials) -> Profile | None:
        """Return the profile of the device in TLS; None when no certificate of ours says which device that is."""
        if not given.certificates:
            return None
        record = ours(given.certificates[0], self._store)
        view = None if record is None else self._store.view(record.device_id)
        return None if view is None else self._shelf.active().policies.profiles.get(view.device.model)

    def _as_newcomer(self, asked: ProvenRequest, known: Shown, active: ActivePolicies, now: datetime) -> Claimant:
        return newcomer(asked, known, policies=active.policies, store=self._store, now=now)

    def _as_renewer(self, asked: ProvenRequest, known: Shown, active: ActivePolicies, now: datetime) -> Claimant:
        former = adopted(asked, known, policies=active.policies, store=self._store, now=now)
        if former is not None:  # its names were another CA's; ours come from the profile
            return former
        claimant, current = renewer(known, store=self._store, now=now)
        _demand_same_names(asked, load_certificate(current.certificate))
        return claimant

    async def _answered(
        self, csr: bytes, given: Credentials, label: str | None, identify: Identify
    ) -> Issued | Pending:
        try:
            return await self._attempts(_asking(csr), given, label, identify)
        except UnannouncedError as stranger:
            await self._keep_stranger(stranger)
            return _WAITS
        except (RefusedError, ConflictError) as refusal:
            if refusal.code == WAITS_FOR_A_PERSON:
                return _WAITS
            await self._record(refusal, given)
            raise
        except (RequestError, KeyRefusedError) as refusal:
            if given.certificates or given.token is not None:  # of strangers, who are many, there is the log's line
                await self._record(refusal, given)
            raise

    async def _record(self, refusal: ServiceError | PkiError, given: Credentials) -> None:
        """Leave a security event, on the device whose certificate of ours, or open token, came with the request."""
        holder = holder_of(given, self._store)
        now, salt = self._clock.now(), self._entropy.draw(SALT_SIZE)
        await self._store.submit(security_event(refusal, device_id=holder, now=now, salt=salt))

    async def _attempts(
        self, asking: Asking, given: Credentials, label: str | None, identify: Identify
    ) -> Issued | Pending:
        await turn()
        least = 0
        for _ in range(MAX_ATTEMPTS):
            now, active = self._clock.now(), self._shelf.active(at_least=least)
            known = shown(given, self._store)
            answered = lost_answer(asking.request, known, store=self._store, now=now)
            if answered is not None:
                certificate, view = answered
                _demand_label(label, active, view)
                return issued(certificate, active.policies.profiles.get(view.device.model))
            claimant = identify(asking.request, known, active, now)
            _demand_label(label, active, claimant.view)
            least = 0 if claimant.view.state is None else claimant.view.state.generation
            if least > active.generation:  # another process activated it: whom it believes, it decides too
                continue
            await turn()
            try:
                decided = await self._decided(asking, claimant, active, now)
                return await self._settlement.settle(asking.request, decided)
            except ConflictError as conflict:
                if conflict.code not in _MOVED:
                    raise
        raise UnavailableError("the device is changing too fast", code="state.contended", retry_after=1)

    async def _decided(self, asking: Asking, claimant: Claimant, active: ActivePolicies, now: datetime) -> Decided:
        view = claimant.view
        attested = self._attested(asking, claimant, now)
        if attested is not None:
            return attested
        if view.state is None:
            return self._first(asking.request, claimant, active, now)
        again = await self._redecider.decide_in_turns(view, view.state, active=active, now=now, request=asking.request)
        standing = _standing_again(view.state, asking)
        return Decided(
            view=view,
            active=again.active,
            judged=again.judged,
            tier=again.tier,
            now=now,
            record=lambda certificate: self._redecider.change(again, standing, certificate=certificate),
        )

    def _attested(self, asking: Asking, claimant: Claimant, now: datetime) -> Decided | None:
        """Return the decision on the evidence in the request; None without, or if the same request is sent again."""
        if asking.evidence is None:
            return None
        adoption = self._adoption(claimant, now) if claimant.enrols else None
        return self._evidence.decided(asking.evidence, asking.csr, asking.request, claimant, adoption=adoption, now=now)

    def _first(self, asked: ProvenRequest, claimant: Claimant, active: ActivePolicies, now: datetime) -> Decided:
        view = claimant.view
        key_reuse = self._store.key_reuse(claimant.thumbprint, beside=view.device.id)
        context = Context(
            view=view,
            identity_kind=claimant.kind,
            key_reuse=key_reuse + 1,
            last_seen=now,
            bundle=active.policies.bundle,
            endorsements=active.policies.endorsements,
            supplies=self._redecider.supplies,
            ca=self._issuance.facts,
            now=now,
        )
        facts = gather_identified(claimant, context, asked)
        judged = judge(active.policies, facts, prior=None, now=now, phase=Phase.ENROLL)
        enrolment = Enrolment(
            device=replace(view.device, lifecycle=Lifecycle.OPERATIONAL, enrolled_at=now, updated_at=now),
            token_hash=claimant.token_hash,
            key_reuse=key_reuse,
        )
        return Decided(
            view=view,
            active=active,
            judged=judged,
            tier=judged.decision.tier,
            now=now,
            record=lambda certificate: RecordDecision(
                state=state_after(judged, _standing(claimant, now), generation=active.generation),
                expected_version=None,
                spends_nonce=False,
                decision=record_of(judged, device_id=view.device.id),
                verdicts=judged.verdicts(),
                documents=judged.documents,
                salt=self._entropy.draw(SALT_SIZE),
                enrolment=enrolment,
                certificate=certificate,
                recheck_peers=key_reuse > 0,
                act=self._adoption(claimant, now),
            ),
            follows=None if claimant.legacy is None else claimant.legacy.serial,
        )

    def _adoption(self, claimant: Claimant, now: datetime) -> Act | None:
        """Return that a certificate of a former CA is the first of the device's lineage, for the log."""
        if claimant.legacy is None:
            return None
        return Act(
            actor=f"device:{claimant.view.device.id}",
            at=now,
            action="certificate.adopted",
            subject=claimant.view.device.id,
            detail=claimant.legacy.detail,
            salt=self._entropy.draw(SALT_SIZE),
        )

    async def _keep_stranger(self, stranger: UnannouncedError) -> None:
        now, salt = self._clock.now(), self._entropy.draw(SALT_SIZE)
        change = pending_device(stranger, self._shelf.active().policies.bundle, now=now, salt=salt)
        if change is None:
            await self._store.submit(security_event(stranger, device_id=None, now=now, salt=salt))
            raise stranger
        await self._store.submit(change)


_WAITS = Pending(retry_after=APPROVAL_SECONDS, missing=(WAITS_FOR_A_PERSON,))


def _asking(csr: bytes) -> Asking:
    return Asking(csr=csr, request=parse_request(csr), evidence=carried(csr))


def _standing_again(state: DeviceState, asking: Asking) -> Standing:
    """Return what stays of `state`; a request that brought its evidence is still known when it comes a third time."""
    same = state.request_digest == request_digest(asking.csr)
    return replace(standing_of(state), request_digest=state.request_digest if same else None)


def _standing(claimant: Claimant, now: datetime) -> Standing:
    return Standing(
        device_id=claimant.view.device.id,
        version=0,
        floor=0,
        key_spki=claimant.spki,
        key_thumbprint=claimant.thumbprint,
        identity_kind=claimant.kind,
        anchor=claimant.anchor,
        last_seen=now,
        restriction=None,
        request_digest=None,
        reply=None,
    )


def _demand_label(label: str | None, active: ActivePolicies, view: DeviceView) -> None:
    profile = active.policies.profiles.get(view.device.model)
    if label is not None and (profile is None or profile.name != label):
        raise _no_label(label)


def _demand_same_names(asked: ProvenRequest, current: x509.Certificate) -> None:
    """RFC 7030 section 4.2.2: subject and alternative names are those of the certificate that is renewed."""
    names = alternative_names(current.extensions)
    if asked.subject != name_text(current.subject) or set(asked.san) != set(names):
        wanted = ", ".join((name_text(current.subject), *names))
        raise RefusedError(
            f"ask for the subject and the alternative names of the certificate that is to be renewed: `{wanted}`",
            code="est.names",
            check="est.names",
        )


def _no_label(label: str) -> MissingError:
    return MissingError(f"no profile is called {quoted(label)}, or it is not this device's", code="est.label")
