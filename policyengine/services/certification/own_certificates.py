"""Certificates of our own servers and responders: what there are, and revoking them.

They are made by ceremonies and by hand, where no device is concerned and no policy asked. Their register is filled from
the ceremony's log at each start, so that lists and OCSP speak for every certificate that our CA signed. One that no
register knows any more, such as of a database that was restored, is revoked by showing it.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.certificates import is_signed_by, load_certificate, thumbprint
from pki.revocation import Reason
from policyengine.model.ids import digest_of
from policyengine.services.actors import Principal, Right, demand, demand_whole_fleet
from policyengine.services.changes import SALT_SIZE, Act
from policyengine.services.errors import ConflictError, MissingError
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.records import CertificateStatus
from policyengine.services.service_certificates import (
    KeepServiceCertificates,
    RevokeServiceCertificate,
    ServiceCertificate,
)

SHOWN = "shown"  # the profile of a certificate that nobody here remembers making


class ServiceCertificates:
    """What our CA certified beside devices; `issuers` are the CAs that issue, or once did."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, *, issuers: tuple[x509.Certificate, ...]) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._issuers = issuers

    def keep(self, certified: Iterable[ServiceCertificate]) -> int:
        """Keep what is new of `certified`, and return how many that were."""
        known = {(each.issuer, each.serial) for each in self._store.service_certificates()}
        new = tuple(each for each in certified if (each.issuer, each.serial) not in known)
        if new:
            self._store.apply(KeepServiceCertificates(certificates=new, salt=self._entropy.draw(SALT_SIZE)))
        return len(new)

    def list(self, viewer: Principal) -> tuple[ServiceCertificate, ...]:
        """Return them, newest first; nothing to one who sees some models only."""
        demand(viewer, Right.READ)
        return self._store.service_certificates() if viewer.models is None else ()

    def find(self, viewer: Principal, serial: str) -> ServiceCertificate | None:
        """Return one of them by serial number (hex), None if it is of a device or of nobody."""
        return self._store.service_certificate(serial) if viewer.models is None else None

    def revoke(self, actor: Principal, certificate: ServiceCertificate, *, reason: Reason) -> None:
        """Revoke one for good, alone: no profile asks for two. Raises ConflictError when it is revoked already."""
        demand(actor, Right.REVOKE)
        demand_whole_fleet(actor)
        if certificate.status is CertificateStatus.REVOKED:
            raise ConflictError("the certificate is revoked already", code="certificate.revoked")
        act = Act(
            actor=actor.name,
            at=self._clock.now(),
            action="certificate.revoked",
            subject="authority",
            detail={"serial": certificate.serial, "reason": reason.value, "of": certificate.subject},
            salt=self._entropy.draw(SALT_SIZE),
        )
        self._store.apply(RevokeServiceCertificate(certificate=certificate, reason=reason.value, act=act))

    def revoke_shown(self, actor: Principal, certificate: bytes, *, reason: Reason) -> str:
        """Revoke a certificate (DER) that one of our CAs signed and no register knows; return its serial number.

        Raises PathError for what is no certificate, MissingError `certificate.foreign` for another CA's, ConflictError
        for one that is known (`certificate.known`): what stands there decides how it is revoked.
        """
        demand(actor, Right.REVOKE)
        shown = self._shown(load_certificate(certificate), by=actor.name)
        if self._store.service_certificate(shown.serial) or self._store.certificate(shown.serial):
            raise ConflictError("the certificate is known: revoke it by its serial number", code="certificate.known")
        self.revoke(actor, shown, reason=reason)
        return shown.serial

    def _shown(self, certificate: x509.Certificate, *, by: str) -> ServiceCertificate:
        issuer = next((each for each in self._issuers if is_signed_by(certificate, each)), None)
        if issuer is None:
            raise MissingError("no CA that issues here signed the certificate", code="certificate.foreign")
        return ServiceCertificate(
            issuer=thumbprint(issuer),
            serial=f"{certificate.serial_number:x}",
            profile=SHOWN,
            subject=certificate.subject.rfc4514_string(),
            issued_by=f"shown by {by}",
            key_thumbprint=thumbprint(certificate),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            sha256=digest_of(certificate.public_bytes(Encoding.DER)),
            status=CertificateStatus.GOOD,
            status_reason=None,
            status_at=self._clock.now(),
        )
