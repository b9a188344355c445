"""What has to be told of because time went on: certificates in use that are about to end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Select, exists, literal, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.jobs import job_of
from policyengine.model.ids import DeviceId
from policyengine.services.events.ports import EndingCertificate
from policyengine.services.moments import micros, moment
from policyengine.services.records import CertificateStatus, Job

_certificate = tables.certificate.c
_state = tables.device_state.c
_job = tables.job.c


class SqlReminderReads:
    """Implements the reads of the ReminderStore port that nobody else asks for."""

    def __init__(self, engine: Engine) -> None:
        self._reminder_engine = engine

    def ending_certificates(
        self, now: datetime, *, within: timedelta, share: int, untold: str, limit: int
    ) -> tuple[EndingCertificate, ...]:
        """Return certificates in use that end `within` a time, and of whose life less than one `share`-th is left.

        Those that have a row of work named `untold`, issuer, `/` and serial number are left out.
        """
        clause = ending(micros(now), until=micros(now + within), share=share, untold=untold).limit(limit)
        with self._reminder_engine.connect() as connection:
            rows = connection.execute(clause).all()
        return tuple(
            EndingCertificate(
                issuer=row.issuer, serial=row.serial, device_id=DeviceId(row.device_id), not_after=moment(row.not_after)
            )
            for row in rows
        )

    def due_jobs(self, kind: str, now: datetime, limit: int) -> tuple[Job, ...]:
        """Return work of a kind whose time has come, by id; at most `limit`."""
        clause = select(tables.job).where(_job.kind == kind, _job.run_at <= micros(now)).order_by(_job.id).limit(limit)
        with self._reminder_engine.connect() as connection:
            return tuple(map(job_of, connection.execute(clause)))


def ending(at: int, *, until: int, share: int, untold: str) -> Select[Any]:
    """Return the query for certificates in use that end before long; times in microseconds."""
    told = literal(untold) + _certificate.issuer + literal("/") + _certificate.serial
    return (
        select(_certificate.issuer, _certificate.serial, _certificate.device_id, _certificate.not_after)
        .join(
            tables.device_state,
            (_state.device_id == _certificate.device_id)
            & (_state.certificate_issuer == _certificate.issuer)
            & (_state.certificate_serial == _certificate.serial),
        )
        .where(
            _certificate.not_after > at,
            _certificate.not_after <= until,
            (_certificate.not_after - at) * share <= _certificate.not_after - _certificate.not_before,
            _certificate.status == CertificateStatus.GOOD.value,
            ~exists().where(_job.id == told),
        )
        .order_by(_certificate.not_after)
    )
