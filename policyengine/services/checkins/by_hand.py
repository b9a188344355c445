"""Certificates on requests that a person carries to the server: for services, and devices that cannot ask themselves.

A person opens no way around the policies, and speaks for nobody's key:

1. The request proves possession of its key.
2. A first certificate: the device (or service) is announced and has no key yet. The person's act is a one-time token
   for exactly the key in the request, redeemed at once as over EST.
3. A renewal: the request is signed by the key of the newest certificate, which no person stopped and which ended no
   longer ago than the profile's `late_renewal`.
4. The policies decide, from the evidence of the last check-in where there was one.
5. What they allow is issued and recorded, with the person's act; else the answer is what is missing, or a refusal.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pki.profile import Profile
from pki.request import ProvenRequest, parse_request
from policyengine.model.base64url import base64url
from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, CreateEnrolmentToken, RecordDecision
from policyengine.services.checkins.est import Est
from policyengine.services.checkins.judging import standing_of
from policyengine.services.checkins.redeciding import Redecider
from policyengine.services.checkins.settling import Decided, Issued, Pending, Settlement
from policyengine.services.errors import ConflictError, RefusedError, UnavailableError
from policyengine.services.identification.claimants import demand_in_service
from policyengine.services.identification.enrolment_tokens import token_digest
from policyengine.services.identification.est_identity import Credentials, demand_not_stopped
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.records import CertificateRecord, DeviceView, EnrolmentToken, Lifecycle
from policyengine.services.scope import visible_view

MAX_ATTEMPTS = 5  # times a renewal is decided again because its device changed meanwhile
REDEEMED_WITHIN = timedelta(minutes=5)  # the token is redeemed in the same breath; a refused one must not lie around


class ByHand:
    """Issuing and renewing on a person's word and a key's proof."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        *,
        shelf: PolicyShelf,
        redecider: Redecider,
        settlement: Settlement,
        est: Est,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._shelf = shelf
        self._redecider = redecider
        self._settlement = settlement
        self._est = est

    async def issue(self, actor: Principal, device_id: DeviceId, csr: bytes) -> Issued | Pending:
        """Return the first certificate of an announced device or service, or what its policies wait for.

        Raises RequestError, KeyRefusedError, MissingError, ConflictError (`device.lifecycle`), and as EST does.
        """
        demand(actor, Right.CERTIFY)
        asked = parse_request(csr)
        device = visible_view(self._store, actor, device_id).device
        if device.lifecycle is not Lifecycle.EXPECTED:
            advice = ": renew its certificate" if device.lifecycle is Lifecycle.OPERATIONAL else ""
            message = f"the device is {device.lifecycle.value}, not expected{advice}"
            raise ConflictError(message, code="device.lifecycle")
        now, secret = self._clock.now(), "pet_" + base64url(self._entropy.draw(32))
        token = EnrolmentToken(
            token_hash=token_digest(secret),
            device_id=device_id,
            key_thumbprint=asked.key.thumbprint,
            created_at=now,
            created_by=actor.name,
            expires_at=now + REDEEMED_WITHIN,
            redeemed_at=None,
        )
        act = self._act(actor, "certificate.issue-by-hand", device_id, asked, now)
        await self._store.submit(CreateEnrolmentToken(token=token, act=act))
        return await self._est.enrol(csr, Credentials(token=secret), label=None)

    async def renew(self, actor: Principal, device_id: DeviceId, csr: bytes) -> Issued | Pending:
        """Return the next certificate for the key that the device has, or what its policies wait for.

        Raises RequestError, KeyRefusedError, MissingError, ConflictError (no certificate), RefusedError (`renewal.key`,
        `renewal.window`, `certificate.status`, `certificate.denied`, `device.retired`), UnavailableError.
        """
        demand(actor, Right.CERTIFY)
        asked = parse_request(csr)
        for _ in range(MAX_ATTEMPTS):
            now, view = self._clock.now(), visible_view(self._store, actor, device_id)
            demand_in_service(view)
            profile = self._shelf.active().policies.profiles.get(view.device.model)
            _demand_renewable(asked, view, profile, now=now)
            try:
                return await self._settlement.settle(asked, self._decided(actor, asked, view, now))
            except ConflictError as conflict:
                if conflict.code != "state.moved":
                    raise
        raise UnavailableError("the device is changing too fast", code="state.contended", retry_after=1)

    def _decided(self, actor: Principal, asked: ProvenRequest, view: DeviceView, now: datetime) -> Decided:
        if view.state is None:
            raise _nothing_to_renew()
        again = self._redecider.decide(view, view.state, now=now, request=asked)
        standing = standing_of(view.state)
        act = self._act(actor, "certificate.renew-by-hand", view.device.id, asked, now)

        def record(certificate: CertificateRecord | None) -> RecordDecision:
            return replace(self._redecider.change(again, standing, certificate=certificate), act=act)

        return Decided(
            view=view,
            active=again.active,
            judged=again.judged,
            tier=again.tier,
            now=now,
            record=record,
            refusal="certificate.denied",
        )

    def _act(self, actor: Principal, action: str, device_id: DeviceId, asked: ProvenRequest, now: datetime) -> Act:
        return Act(
            actor=actor.name,
            at=now,
            action=action,
            subject=device_id,
            detail={"key": asked.key.thumbprint},
            salt=self._entropy.draw(SALT_SIZE),
        )


def _demand_renewable(asked: ProvenRequest, view: DeviceView, profile: Profile | None, *, now: datetime) -> None:
    current = view.certificate
    if current is None:
        raise _nothing_to_renew()
    if asked.key.thumbprint != current.key_thumbprint:
        message = "the request is by another key than the device's: only the device itself changes its key"
        raise RefusedError(message, code="renewal.key", check="renewal.key")
    demand_not_stopped(current)
    window = timedelta(0) if profile is None else profile.late_renewal or timedelta(0)
    if now >= current.not_after + window:
        message = f"the certificate ended at {current.not_after:%Y-%m-%dT%H:%M:%SZ}, longer ago than the profile allows"
        raise RefusedError(message, code="renewal.window", check="renewal.window")


def _nothing_to_renew() -> ConflictError:
    return ConflictError("the device has no certificate yet: issue its first one", code="certificate.none")
