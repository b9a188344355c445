"""What people, programs and auditors read of certificates, bundles, events and tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, desc, literal, select, tuple_

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.checkin_reads import bundle_of, bundle_select
from policyengine.adapters.sql.gate_reads import api_token_of
from policyengine.adapters.sql.paging import cursor_of, number, page_of, parts_of
from policyengine.adapters.sql.proposals import proposal_of
from policyengine.adapters.sql.rows import certificate_of
from policyengine.model.ids import DeviceId
from policyengine.services.moments import micros, moment
from policyengine.services.ports import PageRequest
from policyengine.services.records import (
    ApiToken,
    AuditEvent,
    BundleRecord,
    CertificateRecord,
    CertificateStatus,
    Page,
    RevocationProposal,
    SecurityEvent,
)

_certificate = tables.certificate.c
_event = tables.security_event.c
_act = tables.audit_event.c
_token = tables.api_token


class SqlRecordReads:
    """The part of the AuditReads port that is about certificates, bundles, events and tokens."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _rows(self, clause: Select[Any]) -> Sequence[Row[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(clause).all()

    def bundles(self, page: PageRequest, *, at: datetime | None = None) -> Page[BundleRecord]:
        """Return published bundles, newest first."""
        table = tables.bundle.c
        clause = bundle_select() if at is None else bundle_select(at).where(table.published_at <= micros(at))
        if page.cursor is not None:
            clause = clause.where(table.published_at < number(parts_of(page.cursor, 1)[0]))
        rows = [bundle_of(row) for row in self._rows(clause.order_by(desc(table.published_at)).limit(page.limit + 1))]
        return page_of(rows, page.limit, lambda row: cursor_of(str(micros(row.published_at))))

    def certificates(
        self,
        page: PageRequest,
        *,
        device_id: DeviceId | None,
        status: CertificateStatus | None,
        models: frozenset[str] | None,
    ) -> Page[CertificateRecord]:
        """Return certificates, newest first."""
        clause = select(tables.certificate).where(*_wanted(device_id, status))
        if models is not None:
            mine = select(tables.device.c.id).where(tables.device.c.model.in_(sorted(models)))
            clause = clause.where(_certificate.device_id.in_(mine))
        if page.cursor is not None:
            at, serial = parts_of(page.cursor, 2)
            place = tuple_(_certificate.not_before, _certificate.serial)
            clause = clause.where(place < tuple_(literal(number(at)), literal(serial)))
        ordered = clause.order_by(desc(_certificate.not_before), desc(_certificate.serial)).limit(page.limit + 1)
        rows = [certificate_of(row._mapping) for row in self._rows(ordered)]
        return page_of(rows, page.limit, lambda row: cursor_of(str(micros(row.not_before)), row.serial))

    def revocation_proposals(self, serial: str | None = None) -> tuple[RevocationProposal, ...]:
        """Return the proposals that were neither confirmed nor withdrawn, latest first: all, or of one certificate."""
        table = tables.revocation_proposal
        clause = select(table).order_by(desc(table.c.proposed_at), table.c.id)
        wanted = clause if serial is None else clause.where(table.c.serial == serial)
        return tuple(proposal_of(row) for row in self._rows(wanted))

    def security_events(self, page: PageRequest, *, device_id: DeviceId | None) -> Page[SecurityEvent]:
        """Return security events, newest first."""
        clause = select(tables.security_event)
        if device_id is not None:
            clause = clause.where(_event.device_id == device_id)
        if page.cursor is not None:
            at, event_id = parts_of(page.cursor, 2)
            clause = clause.where(tuple_(_event.last_at, _event.id) < tuple_(literal(number(at)), literal(event_id)))
        ordered = clause.order_by(desc(_event.last_at), desc(_event.id)).limit(page.limit + 1)
        rows = [_security_event(row) for row in self._rows(ordered)]
        return page_of(rows, page.limit, lambda row: cursor_of(str(micros(row.last_at)), row.id))

    def audit_events(self, page: PageRequest, *, until: datetime | None = None) -> Page[AuditEvent]:
        """Return administrative acts, newest first."""
        clause = select(tables.audit_event)
        if until is not None:
            clause = clause.where(_act.at <= micros(until))
        if page.cursor is not None:
            clause = clause.where(_act.log_index < number(parts_of(page.cursor, 1)[0]))
        rows = [audit_event_of(row) for row in self._rows(clause.order_by(desc(_act.log_index)).limit(page.limit + 1))]
        return page_of(rows, page.limit, lambda row: cursor_of(str(row.index)))

    def api_tokens(self) -> tuple[ApiToken, ...]:
        """Return all API tokens, newest first."""
        return tuple(api_token_of(row) for row in self._rows(select(_token).order_by(desc(_token.c.created_at))))


def _wanted(device_id: DeviceId | None, status: CertificateStatus | None) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [_certificate.state == "issued"]
    if device_id is not None:
        wanted.append(_certificate.device_id == device_id)
    if status is not None:
        wanted.append(_certificate.status == status.value)
    return wanted


def _security_event(row: Row[Any]) -> SecurityEvent:
    return SecurityEvent(
        id=row.id,
        code=row.code,
        device_id=row.device_id,
        check=row.check_id,
        detail=row.detail,
        first_at=moment(row.first_at),
        last_at=moment(row.last_at),
        count=row._mapping["count"],  # a Row is a tuple, whose `count` is a method
    )


def audit_event_of(row: Row[Any]) -> AuditEvent:
    """Return the act in an `audit_event` row."""
    return AuditEvent(
        index=row.log_index,
        at=moment(row.at),
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        detail=json.loads(row.detail),
    )
