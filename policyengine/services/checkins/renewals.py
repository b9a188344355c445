"""Renewal by the old key, for a device whose certificate has ended: TLS would not let it in any more.

1. The request proves possession of its key, and the nonce is ours and of the certificate's device.
2. The key of the certificate signed this nonce, this certificate and this request; before that nothing is told.
3. A renewal whose answer got lost gets it again: the certificate that the same request led to.
4. The nonce lives and is not spent, by a check-in or a renewal.
5. The certificate is the newest of its lineage, no person stopped it, and it ended within the profile's `late_renewal`.
6. The policies decide as they do over EST; what they allow is issued and recorded with the nonce, or nothing is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from pki.certificates import load_certificate
from pki.errors import KeyRefusedError, PathError, RequestError
from pki.profile import Profile
from pki.request import ProvenRequest, parse_request
from policyengine.attestation.checks import Outcome
from policyengine.attestation.errors import UnsupportedMediaTypeError
from policyengine.attestation.renewal import MEDIA_TYPE, SIGNATURE, STATEMENT, check_renewal
from policyengine.errors import quoted
from policyengine.model.challenge import renewal_statement
from policyengine.services.changes import SALT_SIZE, RecordDecision, SpentNonce
from policyengine.services.checkins.judging import standing_of
from policyengine.services.checkins.redeciding import Redecider
from policyengine.services.checkins.refusals import security_event
from policyengine.services.checkins.settling import Decided, Issued, Pending, Settlement, issued
from policyengine.services.errors import (
    ConflictError,
    InvalidRequestError,
    MissingError,
    RefusedError,
    UnavailableError,
)
from policyengine.services.identification.claimants import certified_key, demand_in_service, refused
from policyengine.services.identification.est_identity import demand_not_stopped, ours
from policyengine.services.nonces import Nonce, NonceKey, demand_live, device_tag, open_nonce
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.records import CertificateRecord, CertificateStatus, DeviceView
from policyengine.services.requests import EvidenceItem

MAX_ATTEMPTS = 5  # times a renewal is decided again because its device changed meanwhile

_MOVED = frozenset({"state.moved", "nonce.spent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalRequest:
    """What a device sends: our nonce, its certificate and the PKCS#10 (DER), and the statement by the old key."""

    nonce: bytes
    certificate: bytes
    csr: bytes
    statement: EvidenceItem


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request whose statement holds: who it is, is proven; whether it may renew, is not asked yet."""

    nonce: Nonce
    request: ProvenRequest
    record: CertificateRecord


class Renewals:
    """Renewal of certificates by statements of their keys."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        *,
        nonce_key: NonceKey,
        shelf: PolicyShelf,
        redecider: Redecider,
        settlement: Settlement,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._nonce_key = nonce_key
        self._shelf = shelf
        self._redecider = redecider
        self._settlement = settlement

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The CAs above every certificate, DER: issuing CA first, root last."""
        return self._settlement.chain

    async def renew(self, request: RenewalRequest) -> Issued | Pending:
        """Return the next certificate of the lineage, or that evidence is missing for it.

        Raises, nothing issued: MalformedEvidenceError, UnsupportedMediaTypeError, InvalidRequestError, RequestError,
        KeyRefusedError (400); RefusedError (403, `fields["check"]`); UnavailableError (503). Those of pki and refusals
        are security events.
        """
        record = self._claimed(request)
        try:
            return await self._attempts(self._proven(request, record))
        except (RefusedError, ConflictError, RequestError, KeyRefusedError) as refusal:
            device = None if record is None else record.device_id
            salt = self._entropy.draw(SALT_SIZE)
            await self._store.submit(security_event(refusal, device_id=device, now=self._clock.now(), salt=salt))
            raise

    def _claimed(self, request: RenewalRequest) -> CertificateRecord | None:
        try:
            return ours(request.certificate, self._store)
        except PathError as cause:
            raise InvalidRequestError(cause.message, code="request.certificate", field="certificate") from cause

    def _proven(self, request: RenewalRequest, record: CertificateRecord | None) -> _Asked:
        if request.statement.media_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
            raise UnsupportedMediaTypeError(f"a statement is {MEDIA_TYPE}, not {quoted(request.statement.media_type)}")
        asked = parse_request(request.csr)
        nonce = open_nonce(request.nonce, key=self._nonce_key)
        if record is None:
            raise refused("the certificate is not one of ours", "certificate.foreign")
        if nonce.tag != device_tag(record.device_id):
            raise refused("the nonce is not for the device of the certificate", "renewal.nonce")
        _demand_statement(request)
        return _Asked(nonce=nonce, request=asked, record=record)

    async def _attempts(self, asked: _Asked) -> Issued | Pending:
        for _ in range(MAX_ATTEMPTS):
            try:
                return await self._attempt(asked)
            except ConflictError as conflict:
                if conflict.code not in _MOVED:
                    raise
        raise UnavailableError("the device is changing too fast", code="state.contended", retry_after=1)

    async def _attempt(self, asked: _Asked) -> Issued | Pending:
        view = self._view(asked.record)
        newest, profile = view.certificate, self._shelf.active().policies.profiles.get(view.device.model)
        if newest is not None and _answers(newest, asked):
            return issued(newest, profile)
        now = self._clock.now()
        self._demand_fresh(asked.nonce, view, now)
        _demand_renewable(asked.record, view, profile, now=now)
        return await self._settlement.settle(asked.request, self._decided(asked, view, now))

    def _view(self, record: CertificateRecord) -> DeviceView:
        view = self._store.view(record.device_id)
        if view is None:  # INVARIANT: devices are never deleted
            raise MissingError("no such device", code="device.missing")
        demand_in_service(view)
        return view

    def _demand_fresh(self, nonce: Nonce, view: DeviceView, now: datetime) -> None:
        demand_live(nonce, now=now)
        by_checkin = view.state is not None and nonce.issued_us <= view.state.floor
        if by_checkin or self._store.spent_by(_hash_of(nonce)) is not None:
            raise refused("nonce was used already", "nonce.spent")

    def _decided(self, asked: _Asked, view: DeviceView, now: datetime) -> Decided:
        if view.state is None:
            raise ConflictError("the device has a certificate and no state", code="state.conflict")
        again = self._redecider.decide(view, view.state, now=now, request=asked.request)
        standing = standing_of(view.state)
        spent = SpentNonce(nonce_hash=_hash_of(asked.nonce), expires_at=asked.nonce.expires_at)

        def record(certificate: CertificateRecord | None) -> RecordDecision:
            return replace(self._redecider.change(again, standing, certificate=certificate), spent=spent)

        return Decided(
            view=view,
            active=again.active,
            judged=again.judged,
            tier=again.tier,
            now=now,
            record=record,
            refusal="renewal.denied",
        )


def _demand_statement(request: RenewalRequest) -> None:
    statement = renewal_statement(request.nonce, request.certificate, request.csr)
    checks = check_renewal(
        request.statement.value, key=certified_key(load_certificate(request.certificate)), statement=statement
    )
    failed = [check.id for check in checks if check.result is Outcome.FAIL]
    held = {check.id for check in checks if check.result is Outcome.PASS}
    if failed or not {SIGNATURE.id, STATEMENT.id} <= held:
        message = "the certificate's key did not sign this challenge, certificate and request"
        raise refused(message, failed[0] if failed else SIGNATURE.id, failed=failed)


def _answers(newest: CertificateRecord, asked: _Asked) -> bool:
    """Tell whether `newest` is what this very request led to: next after the same certificate, for the same key."""
    return (
        newest.replaces == asked.record.serial
        and newest.key_thumbprint == asked.request.key.thumbprint
        and newest.status is CertificateStatus.GOOD
    )


def _demand_renewable(record: CertificateRecord, view: DeviceView, profile: Profile | None, *, now: datetime) -> None:
    if view.certificate is None or view.certificate.serial != record.serial:
        raise refused("a newer certificate of this device was issued", "certificate.superseded")
    demand_not_stopped(view.certificate)
    window = None if profile is None else profile.late_renewal
    if window is None:
        raise refused("the profile of this device has no `late_renewal`", "renewal.window")
    if not record.not_before <= now < record.not_after + window:
        raise refused(f"the certificate ended longer ago than {window}", "renewal.window")


def _hash_of(nonce: Nonce) -> bytes:
    return hashlib.sha256(nonce.raw).digest()
