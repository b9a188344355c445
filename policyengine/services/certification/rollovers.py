"""What a rollover of the CA asks of the store, and leaves in it: who still depends on the old CA, and who did what."""

from __future__ import annotations

from pki.revocation import Reason
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.certification.certificates import Certificates
from policyengine.services.changes import SALT_SIZE, Act, RecordAct
from policyengine.services.errors import ConflictError
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.reasons import stated
from policyengine.services.records import CertificateStatus
from policyengine.services.service_certificates import BY_HAND, ServiceCertificate

REVOKED_AT_ONCE = 500  # serial numbers read at a time; each revocation is a commit of its own


class Rollovers:
    """The store's part of a planned rollover."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    def outstanding(self, issuer: str) -> int:
        """Return how many devices in service have nothing but an unexpired certificate of `issuer` (thumbprint)."""
        return self._store.in_use(issuer, self._clock.now())

    def demand_unused(self, issuer: str) -> None:
        """Raise ConflictError `rotate.in-use` while devices depend on `issuer`: they would be locked out."""
        count = self.outstanding(issuer)
        if count:
            raise ConflictError(
                f"devices that have not renewed yet: {count}; without the old CA they are locked out until they enrol "
                "again: wait, or say --force and why, which revokes their certificates",
                code="rotate.in-use",
                devices=count,
            )

    def services(self, issuer: str) -> tuple[ServiceCertificate, ...]:
        """Return what `issuer` (thumbprint) certified by hand for services, good and not over: nobody renews it."""
        found, now = self._store.service_certificates(), self._clock.now()
        mine = (each for each in found if each.issuer == issuer and each.issued_by.startswith(BY_HAND))
        return tuple(each for each in mine if each.status is CertificateStatus.GOOD and each.not_after > now)

    def revoke_rest(self, actor: Principal, issuer: str, certificates: Certificates) -> int:
        """Revoke as superseded what is left of `issuer`, and return how many certificates that were."""
        demand(actor, Right.ADMINISTER)
        count = 0
        while serials := self._store.serials_in_use(issuer, self._clock.now(), REVOKED_AT_ONCE):
            for serial in serials:
                certificates.revoke(actor, serial, reason=Reason.SUPERSEDED)
            count += len(serials)
        return count

    def record_own(self, actor: Principal, action: str, *, hosts: tuple[str, ...], reason: str) -> None:
        """Leave in the audit log who has a certificate made for a service of ours, and why."""
        demand(actor, Right.ADMINISTER)
        act = Act(
            actor=actor.name,
            at=self._clock.now(),
            action=action,
            subject="authority",
            detail={"hosts": list(hosts), "reason": stated(reason)},
            salt=self._entropy.draw(SALT_SIZE),
        )
        self._store.apply(RecordAct(act=act))

    def record(self, actor: Principal, step: str, *, version: int, reason: str) -> None:
        """Leave in the audit log who makes which step of a rollover, and why."""
        demand(actor, Right.ADMINISTER)
        act = Act(
            actor=actor.name,
            at=self._clock.now(),
            action=f"pki.rotate.{step}",
            subject="authority",
            detail={"version": version, "reason": stated(reason)},
            salt=self._entropy.draw(SALT_SIZE),
        )
        self._store.apply(RecordAct(act=act))
