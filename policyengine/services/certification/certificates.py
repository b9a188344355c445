"""Certificates for people: reading the lineage, revoking, holding, releasing; and recognising a device by its own."""

from __future__ import annotations

import re
from datetime import datetime

from pki.certificates import load_certificate
from pki.revocation import Reason
from policyengine.errors import quoted
from policyengine.model.ids import DeviceId
from policyengine.model.policy import RevocationTerms
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.certification.issuing import issues
from policyengine.services.changes import SALT_SIZE, Act, SetCertificateStatus, StatusChange
from policyengine.services.errors import ConflictError, MissingError, RefusedError
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Entropy, PageRequest, Store
from policyengine.services.reasons import stated
from policyengine.services.records import (
    HELD_BY_TIER,
    CertificateRecord,
    CertificateStatus,
    DeviceView,
    Lifecycle,
    Page,
)

_SERIAL = re.compile(r"[0-9a-f]{1,40}")
_IS = {CertificateStatus.GOOD: "good", CertificateStatus.HOLD: "on hold", CertificateStatus.REVOKED: "revoked"}


class Certificates:
    """What our CA issued and what became of it."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, *, shelf: PolicyShelf) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._shelf = shelf

    def list(
        self,
        viewer: Principal,
        page: PageRequest,
        *,
        device_id: DeviceId | None = None,
        status: CertificateStatus | None = None,
        as_of: datetime | None = None,
    ) -> Page[CertificateRecord]:
        """Return certificates, newest first; with `as_of` those issued by then, with the status they had."""
        if as_of is None:
            return self._store.certificates(page, device_id=device_id, status=status, models=viewer.models)
        return self._store.certificates_at(page, as_of, device_id=device_id, status=status, models=viewer.models)

    def show(self, viewer: Principal, serial: str, *, as_of: datetime | None = None) -> CertificateRecord:
        """Return one certificate by serial number (hex), with `as_of` as it was then. Raises MissingError."""
        record = self._found(serial, as_of) if _SERIAL.fullmatch(serial) else None
        view = None if record is None else self._store.view(record.device_id)
        hidden = viewer.models is not None and (view is None or view.device.model not in viewer.models)
        if record is None or hidden:
            raise self._missing(viewer, serial)
        return record

    def _missing(self, viewer: Principal, serial: str) -> MissingError:
        if viewer.models is None and _SERIAL.fullmatch(serial) and self._store.service_certificate(serial):
            message = f"{quoted(serial)} is of a service of ours: it can be revoked, and `pki services` lists it"
            return MissingError(message, code="certificate.of-service")
        return MissingError(f"no certificate has the serial number {quoted(serial)} (hex)", code="certificate.missing")

    def _found(self, serial: str, as_of: datetime | None) -> CertificateRecord | None:
        return self._store.certificate(serial) if as_of is None else self._store.certificate_at(serial, as_of)

    def revoke(self, actor: Principal, serial: str, *, reason: Reason) -> None:
        """Revoke for good, alone.

        Raises MissingError, ConflictError: it is revoked already, or takes two parties (`revocation.two-parties`).
        """
        demand(actor, Right.REVOKE)
        record = self.show(actor, serial)
        if self.terms(record) is not None:
            message = "a certificate of this profile is revoked by two parties: one proposes, the other confirms"
            raise ConflictError(message, code="revocation.two-parties")
        if record.status is CertificateStatus.REVOKED:
            raise ConflictError("the certificate is revoked already", code="certificate.revoked")
        self._set(actor, record, CertificateStatus.REVOKED, reason.value)

    def hold(self, actor: Principal, serial: str, *, reason: str) -> None:
        """Put on hold until a person releases it. Raises MissingError, ConflictError unless it is good."""
        demand(actor, Right.CERTIFY)
        record = self.show(actor, serial)
        if record.status is not CertificateStatus.GOOD:
            raise ConflictError(f"the certificate is {_IS[record.status]} already", code="certificate.status")
        self._set(actor, record, CertificateStatus.HOLD, f"person: {stated(reason)}")

    def release(self, actor: Principal, serial: str, *, reason: str) -> None:
        """Take from a person's hold; where the device's tier holds none, the tier's hold takes its place.

        Raises MissingError, ConflictError; a tier's hold ends with the tier.
        """
        demand(actor, Right.CERTIFY)
        said = f"person: {stated(reason)}"
        record = self.show(actor, serial)
        if record.status is not CertificateStatus.HOLD:
            message = f"the certificate is {_IS[record.status]}, and not on hold"
            raise ConflictError(message, code="certificate.status")
        if record.status_reason == HELD_BY_TIER:
            raise ConflictError("the device's tier holds the certificate", code="certificate.held-by-tier")
        if any(each.expires_at > self._clock.now() for each in self._store.revocation_proposals(serial)):
            message = "a proposal to revoke the certificate waits: withdraw it, which also ends its hold"
            raise ConflictError(message, code="revocation.proposed")
        status, why = self.after_hold(record)
        self._set(actor, record, status, why or said)

    def after_hold(self, record: CertificateRecord) -> tuple[CertificateStatus, str | None]:
        """Return what a certificate is when a person's hold ends, and by whose reason (None: the person's)."""
        view = self._store.view(record.device_id)
        if view is not None and self._is_admitted(view):
            return CertificateStatus.GOOD, None
        return CertificateStatus.HOLD, HELD_BY_TIER

    def terms(self, record: CertificateRecord) -> RevocationTerms | None:
        """Return the two parties that its revocation takes now; None: one person does it."""
        view = self._store.view(record.device_id)
        return None if view is None else self._shelf.active().policies.revocation(view.device.model)

    def identify(self, certificate: bytes) -> DeviceId:
        """Return the device whose good certificate (DER) this is, as the store says now.

        Raises RefusedError for a foreign, unknown, held, revoked or expired certificate, for a retired device, and for
        one whose tier holds certificates: an earlier one of its lineage is no way around.
        """
        serial = f"{load_certificate(certificate).serial_number:x}"
        record = self._store.certificate(serial)
        if record is None or record.certificate != certificate:
            raise _refused("the certificate is not one of ours", "certificate.foreign")
        if record.status is not CertificateStatus.GOOD:
            raise _refused(f"the certificate is {record.status.in_words}", "certificate.status")
        if not record.not_before <= self._clock.now() < record.not_after:
            raise _refused("the certificate is not valid now", "certificate.expired")
        view = self._store.view(record.device_id)
        if view is None or view.device.lifecycle is not Lifecycle.OPERATIONAL:
            raise _refused("the device is not in service", "device.retired")
        if not self._is_admitted(view):
            raise _refused("the device's tier holds its certificates", "device.tier")
        return record.device_id

    def _is_admitted(self, view: DeviceView) -> bool:
        profile = self._shelf.active().policies.profiles.get(view.device.model)
        return view.state is not None and issues(profile, view.state.tier)

    def _set(self, actor: Principal, record: CertificateRecord, status: CertificateStatus, reason: str) -> None:
        now = self._clock.now()
        change = StatusChange(
            issuer=record.issuer,
            serial=record.serial,
            expected=record.status,
            status=status,
            reason=reason,
            at=now,
        )
        act = Act(
            actor=actor.name,
            at=now,
            action=f"certificate.{status.value}",
            subject=record.device_id,
            detail={"serial": record.serial, "reason": reason},
            salt=self._entropy.draw(SALT_SIZE),
        )
        self._store.apply(SetCertificateStatus(change=change, act=act))


def _refused(message: str, check: str) -> RefusedError:
    return RefusedError(message, code=check, check=check)
