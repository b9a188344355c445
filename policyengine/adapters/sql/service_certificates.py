"""Certificates of our own services: what is kept of them, keeping more, and revoking."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, Row, desc, select, update
from sqlalchemy import insert as insert_into

from pki.crl_encoding import encode_entry
from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.adapters.sql.codec import named, raw
from policyengine.model.ids import Digest
from policyengine.services.certification.revocation import entry_reason
from policyengine.services.errors import ConflictError
from policyengine.services.moments import micros, moment
from policyengine.services.records import CertificateStatus
from policyengine.services.service_certificates import (
    KeepServiceCertificates,
    RevokeServiceCertificate,
    ServiceCertificate,
)

_table = tables.service_certificate
_own = _table.c


class SqlServiceCertificateReads:
    """Implements the ServiceCertificateReads port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def service_certificates(self) -> tuple[ServiceCertificate, ...]:
        """Return all of them, newest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_table).order_by(desc(_own.not_before), desc(_own.log_index))).all()
        return tuple(map(_of, rows))

    def service_certificate(self, serial: str) -> ServiceCertificate | None:
        """Return one by serial number, lowercase hex without leading zeros."""
        with self._engine.connect() as connection:
            row = connection.execute(select(_table).where(_own.serial == serial)).first()
        return None if row is None else _of(row)


def keep_service_certificates(batch: Batch, change: KeepServiceCertificates) -> None:
    """Keep what is new; two servers that start at once keep it once."""
    for each in change.certificates:
        if _status(batch, each) is None:
            _keep(batch, each, seed=change.salt)


def revoke_service_certificate(batch: Batch, change: RevokeServiceCertificate) -> None:
    """Revoke one for good; raises ConflictError when it is revoked already."""
    certificate, act = change.certificate, change.act
    status = _status(batch, certificate)
    if status == CertificateStatus.REVOKED.value:
        raise ConflictError("the certificate is revoked already", code="certificate.revoked")
    if status is None:
        _keep(batch, certificate, seed=act.salt)
    revoked = {"status": CertificateStatus.REVOKED.value, "status_reason": change.reason, "status_at": micros(act.at)}
    batch.connection.execute(update(_table).where(_is(certificate)).values(revoked))
    _list(batch, change)
    keys = {"issuer": certificate.issuer, "serial": certificate.serial}
    fact = {**keys, "status": CertificateStatus.REVOKED.value, "reason": change.reason}
    index = batch.leaf("certificate-status", at_us=micros(act.at), record=fact, seed=act.salt)
    batch.add("past_statuses", {"log_index": index, **revoked, **keys})
    batch.act(act)


def _list(batch: Batch, change: RevokeServiceCertificate) -> None:
    certificate, at = change.certificate, change.act.at
    reason = entry_reason(CertificateStatus.REVOKED, change.reason)
    row = {
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "entry": encode_entry(int(certificate.serial, 16), since=at.replace(microsecond=0), reason=reason),
        "changed_at": micros(at),
        "not_after": micros(certificate.not_after),
    }
    batch.connection.execute(insert_into(tables.revocation), row)


def _is(certificate: ServiceCertificate) -> Any:
    return (_own.issuer == certificate.issuer) & (_own.serial == certificate.serial)


def _status(batch: Batch, certificate: ServiceCertificate) -> str | None:
    return batch.connection.execute(select(_own.status).where(_is(certificate))).scalar_one_or_none()


def _keep(batch: Batch, certificate: ServiceCertificate, *, seed: bytes) -> None:
    fact = {
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "profile": certificate.profile,
        "by": certificate.issued_by,
        "certificate": certificate.sha256,
    }
    at_us = micros(certificate.status_at)
    index = batch.leaf("service-certificate", at_us=at_us, record=fact, seed=seed)
    row = {
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "profile": certificate.profile,
        "subject": certificate.subject,
        "issued_by": certificate.issued_by,
        "key_thumbprint": certificate.key_thumbprint,
        "not_before": micros(certificate.not_before),
        "not_after": micros(certificate.not_after),
        "sha256": raw(Digest(certificate.sha256)),
        "status": CertificateStatus.GOOD.value,
        "status_reason": None,
        "status_at": at_us,
        "log_index": index,
    }
    batch.connection.execute(insert_into(_table), row)


def _of(row: Row[Any]) -> ServiceCertificate:
    return ServiceCertificate(
        issuer=row.issuer,
        serial=row.serial,
        profile=row.profile,
        subject=row.subject,
        issued_by=row.issued_by,
        key_thumbprint=row.key_thumbprint,
        not_before=moment(row.not_before),
        not_after=moment(row.not_after),
        sha256=named(row.sha256),
        status=CertificateStatus(row.status),
        status_reason=row.status_reason,
        status_at=moment(row.status_at),
    )
