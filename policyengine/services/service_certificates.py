"""Certificates of services of our own, whom no policy judges: what is kept of them, and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from policyengine.services.acts import Act
from policyengine.services.records import CertificateStatus

BY_HAND = "by-hand:"  # how `issued_by` begins where a person had it made


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCertificate:
    """A certificate that our CA gave to no device, by a built-in profile; `issued_by` is whoever had it made.

    `issuer` and `key_thumbprint` are SHA-256 of public keys, `sha256` is of the certificate itself.
    """

    issuer: str
    serial: str
    profile: str
    subject: str
    issued_by: str
    key_thumbprint: str
    not_before: datetime
    not_after: datetime
    sha256: str
    status: CertificateStatus
    status_reason: str | None
    status_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepServiceCertificates:
    """Keep what our CA certified beside devices, each with a leaf; what is kept already stays as it is."""

    certificates: tuple[ServiceCertificate, ...]
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeServiceCertificate:
    """Revoke one for good, and keep it first if nothing was known of it; refused when it is revoked already."""

    certificate: ServiceCertificate
    reason: str
    act: Act


class ServiceCertificateReads(Protocol):
    """What is kept of them."""

    def service_certificates(self) -> tuple[ServiceCertificate, ...]:
        """Return all of them, newest first: a few a month."""
        ...

    def service_certificate(self, serial: str) -> ServiceCertificate | None:
        """Return one by serial number, lowercase hex without leading zeros."""
        ...
