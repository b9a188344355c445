"""Check-in: one read, one pure decision, one transaction.

1. The nonce is ours (MAC, epoch) and names a device or nobody; a byte-identical retry gets the stored reply.
2. It lives, and this device has not spent it.
3. The evidence proves who it is (identity.py) and, with a certificate request, that one device holds both keys.
4. Facts are gathered and the policies in force decide; nothing is written so far.
5. If the tier allows it and one was asked for, a certificate is reserved (committed) and signed.
6. Nonce, decision, state, verdicts, certificate and log leaves are committed together; only then the reply leaves.

Between the steps check-ins take turns (services/turns.py).
A change of the device in between (a sweep, a person, the same evidence twice) starts again from the read.
"""

from __future__ import annotations

from dataclasses import dataclass

from pki.errors import KeyRefusedError, PkiError, RequestError
from policyengine.attestation.errors import MalformedEvidenceError, UnsupportedMediaTypeError
from policyengine.model.ids import DeviceId
from policyengine.services.certification.issuing import Grant, Issuance, issues, renew_at
from policyengine.services.checkins.admission import pending_device, waits
from policyengine.services.checkins.appraisal import Appraised, Appraiser
from policyengine.services.checkins.judging import Memory, state_after
from policyengine.services.checkins.recording import change_of, nonce_hash
from policyengine.services.checkins.refusals import security_event
from policyengine.services.checkins.replies import Rest, compose, jittered, nonce_lifetime
from policyengine.services.checkins.unmatched import Noticed
from policyengine.services.errors import ConflictError, RefusedError, ServiceError, UnavailableError
from policyengine.services.identification.claimants import UnannouncedError
from policyengine.services.identification.gateways import demand_entrusted, unknown_device
from policyengine.services.identification.identity import check_bounds
from policyengine.services.nonces import (
    RANDOM_SIZE,
    Nonce,
    NonceKey,
    demand_live,
    device_tag,
    make_nonce,
    next_issue,
    open_nonce,
)
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import CheckInReads, Clock, Entropy, Writer
from policyengine.services.records import CertificateRecord, DeviceState, DeviceView
from policyengine.services.requests import CheckInReply, CheckInRequest, EvidenceItem
from policyengine.services.turns import Door, turn

__all__ = ["CheckInReply", "CheckInRequest", "CheckIns", "EvidenceItem"]

MAX_ATTEMPTS = 5  # times a check-in is decided again because its device changed meanwhile
SALT_SIZE = 16

_MOVED = frozenset({"state.moved", "nonce.spent", "enrolment.token-spent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What check-ins work with."""

    reads: CheckInReads
    writer: Writer
    clock: Clock
    entropy: Entropy
    shelf: PolicyShelf
    memory: Memory
    appraiser: Appraiser
    issuance: Issuance
    nonce_key: NonceKey
    door: Door


class CheckIns:
    """The use case that devices call."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._noticed = Noticed()

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        """Return the decision on the device that proves itself in `request`, once it is durable.

        Raises, nothing changed: MalformedEvidenceError, UnsupportedMediaTypeError, InvalidRequestError, FactError,
        RequestError and KeyRefusedError of pki (400); RefusedError (403, `fields["check"]`); ConflictError (409: id
        held by another key, registry disagrees); UnavailableError (503: storage, or no bundle active). Refusals,
        conflicts and the two of pki are recorded as security events.
        """
        check_bounds(request)
        try:
            nonce = open_nonce(request.nonce, key=self._with.nonce_key)
        except RefusedError as refusal:
            await self._remember(refusal, None)
            raise
        await turn()
        try:
            return await self._attempts(request, nonce)
        except UnannouncedError as stranger:
            await self._keep_stranger(stranger)
            raise
        except (RefusedError, ConflictError, RequestError, KeyRefusedError) as refusal:
            await self._remember(refusal, self._claimed(request, nonce))
            raise

    async def _attempts(self, request: CheckInRequest, nonce: Nonce) -> CheckInReply:
        for _ in range(MAX_ATTEMPTS):
            try:
                return await self._attempt(request, nonce)
            except ConflictError as conflict:
                if conflict.code not in _MOVED:
                    raise
        raise UnavailableError("the device is changing too fast", code="state.contended", retry_after=1)

    async def _attempt(self, request: CheckInRequest, nonce: Nonce) -> CheckInReply:
        async with self._with.door:
            found = await self._appraised(request, nonce)
        if isinstance(found, CheckInReply):
            return found
        await turn()
        _demand_newest(nonce, found.claimant.view)
        certificate = await self._issued(found)
        try:
            return await self._record(request, nonce, found, certificate)
        except (ConflictError, UnavailableError) as failure:
            if certificate is not None:
                await self._with.issuance.abandon(certificate, reason=failure.code, now=found.now)
            raise

    async def _appraised(self, request: CheckInRequest, nonce: Nonce) -> Appraised | CheckInReply:
        """Return what the policies make of `request`, or the stored reply where it is a byte-identical retry."""
        bound = await self._with.reads.view_at_check_in(nonce.tag) if nonce.is_bound else None
        if nonce.is_bound and bound is None:
            raise unknown_device()
        _demand_brought_well(request, nonce, bound)
        repeated = self._repeated(request, nonce, bound)
        if repeated is not None:
            return repeated
        now = self._with.clock.now()
        demand_live(nonce, now=now)
        least = 0 if bound is None or bound.state is None else bound.state.generation
        active = self._with.shelf.active(at_least=least)
        await turn()
        return await self._with.appraiser.appraise(request, nonce, bound=bound, active=active, now=now)

    def _bound(self, nonce: Nonce) -> DeviceView | None:
        return self._with.reads.view_by_tag(nonce.tag) if nonce.is_bound else None

    def _repeated(self, request: CheckInRequest, nonce: Nonce, bound: DeviceView | None) -> CheckInReply | None:
        """Return the stored reply to a byte-identical retry; raises RefusedError when the nonce is spent otherwise."""
        state = None if bound is None else bound.state
        if not nonce.is_bound:
            spender = self._with.reads.spent_by(nonce_hash(nonce))
            view = None if spender is None else self._with.reads.view(spender)
            state = None if view is None else view.state
        elif state is not None and nonce.issued_us > state.floor:
            state = None
        if state is None:
            return None
        if state.reply is None or state.request_digest != request.digest:
            raise RefusedError("nonce was used already", code="nonce.spent", check="nonce.spent")
        return self._stored_reply(state, state.reply)

    def _stored_reply(self, state: DeviceState, rest: bytes) -> CheckInReply:
        judged = self._with.memory.judged_again(state, self._with.shelf.by_digest(state.bundle))
        body = compose(judged, rest=rest, tier=state.tier, restriction=state.restriction)
        return CheckInReply(
            body=body, device_id=state.device_id, decision_id=state.decision_id, tier=state.tier, repeated=True
        )

    async def _issued(self, found: Appraised) -> CertificateRecord | None:
        profile = found.profile
        if found.request is None or profile is None or not issues(profile, found.tier):
            return None
        current = found.claimant.view.certificate
        if current is not None and current.held_by_person:
            return None
        grant = Grant(
            view=found.claimant.view,
            request=found.request,
            profile=profile,
            tier=found.tier,
            decision_id=found.judged.id,
            fleet=found.active.policies.bundle.fleet.name,
            now=found.now,
        )
        return await self._with.issuance.issue(grant)

    async def _record(
        self, request: CheckInRequest, nonce: Nonce, found: Appraised, certificate: CertificateRecord | None
    ) -> CheckInReply:
        rest = self._rest(found, nonce, certificate).stored()
        await turn()
        standing = found.standing(floor=nonce.issued_us, request_digest=request.digest, reply=rest)
        state = state_after(found.judged, standing, generation=found.active.generation)
        salt = self._with.entropy.draw(SALT_SIZE)
        await self._with.writer.submit(
            change_of(found, nonce, state, certificate=certificate, noticed=self._noticed, salt=salt)
        )
        body = compose(found.judged, rest=rest, tier=state.tier, restriction=state.restriction)
        return CheckInReply(
            body=body, device_id=state.device_id, decision_id=state.decision_id, tier=state.tier, repeated=False
        )

    def _rest(self, found: Appraised, nonce: Nonce, certificate: CertificateRecord | None) -> Rest:
        after = jittered(found.judged.decision.next_checkin_after, random=self._with.entropy.draw(2))
        next_nonce = make_nonce(
            self._with.nonce_key,
            tag=device_tag(found.claimant.view.device.id),
            issued_us=next_issue(found.now, floor=nonce.issued_us),
            lifetime=nonce_lifetime(after),
            random=self._with.entropy.draw(RANDOM_SIZE),
        )
        current = certificate or found.claimant.view.certificate
        return Rest(
            attestation_result=self._with.appraiser.result(found),
            next_nonce=next_nonce,
            next_checkin_after=after,
            server_time=found.now,
            certificate=None if certificate is None else certificate.certificate,
            chain=self._with.issuance.chain,
            renew_at=None if current is None else renew_at(current, found.profile),
        )

    async def _keep_stranger(self, stranger: UnannouncedError) -> None:
        now = self._with.clock.now()
        bundle = self._with.shelf.active().policies.bundle
        change = pending_device(stranger, bundle, now=now, salt=self._with.entropy.draw(SALT_SIZE))
        if change is None:
            await self._remember(stranger, None)
            return
        await self._with.writer.submit(change)
        raise waits() from stranger

    def _claimed(self, request: CheckInRequest, nonce: Nonce) -> DeviceId | None:
        """Return whom a refused check-in names: the device of its nonce, or of the IDevID it holds."""
        if nonce.is_bound:
            bound = self._bound(nonce)
            return None if bound is None else bound.device.id
        try:
            active = self._with.shelf.active()
            return self._with.appraiser.plausible(request, nonce, active=active, now=self._with.clock.now())
        except (MalformedEvidenceError, UnsupportedMediaTypeError):
            return None

    async def _remember(self, refusal: ServiceError | PkiError, claimed: DeviceId | None) -> None:
        now = self._with.clock.now()
        salt = self._with.entropy.draw(SALT_SIZE)
        await self._with.writer.submit(security_event(refusal, device_id=claimed, now=now, salt=salt))


def _demand_brought_well(request: CheckInRequest, nonce: Nonce, bound: DeviceView | None) -> None:
    """Raise RefusedError if a gateway brought this that may not speak for the device, or does not say for which."""
    if request.gateway is None:
        return
    if not nonce.is_bound:
        raise RefusedError("ask for the nonce with the device's id", code="gateway.nonce", check="gateway.nonce")
    demand_entrusted(request.gateway, bound)


def _demand_newest(nonce: Nonce, view: DeviceView) -> None:
    """Raise RefusedError when the device has spent a nonce issued later; one issued then may be a retry of the same."""
    if view.state is not None and nonce.issued_us < view.state.floor:
        raise RefusedError("a newer nonce of this device was used already", code="nonce.spent", check="nonce.spent")
