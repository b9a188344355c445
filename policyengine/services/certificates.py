"""Certificates for people: reading the lineage, revoking, holding, releasing; and recognising a device by its own."""

from __future__ import annotations

from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal
from policyengine.services.ports import PageRequest
from policyengine.services.records import CertificateRecord, CertificateStatus, Page


class Certificates:
    """What our CA issued and what became of it."""

    def list(
        self,
        viewer: Principal,
        page: PageRequest,
        *,
        device_id: DeviceId | None = None,
        status: CertificateStatus | None = None,
    ) -> Page[CertificateRecord]:
        """Return certificates, newest first."""
        raise NotImplementedError

    def show(self, viewer: Principal, serial: str) -> CertificateRecord:
        """Return one certificate by serial number (hex). Raises MissingError."""
        raise NotImplementedError

    def revoke(self, actor: Principal, serial: str, *, reason: str) -> None:
        """Revoke for good; `reason` is a CRLReason name of RFC 5280 section 5.3.1. Raises MissingError, ConflictError."""
        raise NotImplementedError

    def hold(self, actor: Principal, serial: str, *, reason: str) -> None:
        """Put on hold. Raises MissingError, ConflictError unless it is good."""
        raise NotImplementedError

    def release(self, actor: Principal, serial: str, *, reason: str) -> None:
        """Take from hold. Raises MissingError, ConflictError unless it is on hold."""
        raise NotImplementedError

    def identify(self, certificate: bytes) -> DeviceId:
        """Return the device whose current, good certificate (DER) this is, as the store says now.

        Raises RefusedError for a foreign, unknown, held, revoked or expired certificate and for a retired device.
        """
        raise NotImplementedError
