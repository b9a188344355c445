"""What was recorded by a moment: the registry as it was then, with the last decision and certificate of then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, case, desc, func, literal, or_, select, tuple_

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import named, unpacked
from policyengine.adapters.sql.device_pages import merged
from policyengine.adapters.sql.paging import cursor_of, number, page_of, parts_of
from policyengine.adapters.sql.rows import certificate_of, decision_of, device_of, restriction_of
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, Digest
from policyengine.model.times import parse_timestamp
from policyengine.services.fleet_scope import FleetScope
from policyengine.services.moments import micros, moment
from policyengine.services.past_state import PastState
from policyengine.services.ports import DeviceFilter, PageRequest
from policyengine.services.records import (
    CertificateRecord,
    CertificateStatus,
    DecisionRecord,
    Device,
    Lifecycle,
    Page,
)

_device = tables.device.c
_history = tables.device_history.c
_decision = tables.decision.c
_certificate = tables.certificate.c
_status = tables.certificate_status.c


class SqlPastReads:
    """Implements the PastReads port, and what exposure reads of the past."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _found(self, clause: Select[Any]) -> Sequence[Row[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(clause).all()

    def devices_at(self, where: DeviceFilter, page: PageRequest, at: datetime) -> Page[tuple[Device, PastState | None]]:
        """Return the devices that the registry had, as it had them, by id."""
        narrow = _devices(at).where(*_conditions(where))
        place = _history.device_id if where.models is None else _device.id
        on_page = merged(narrow.with_only_columns(place.label("id")), where.models, page, place=place).subquery()
        clause = _devices(at).where(_history.device_id.in_(select(on_page.c.id))).order_by(_history.device_id)
        rows = [(_device_then(row), _state_then(row)) for row in self._found(clause)]
        return page_of(rows, page.limit, lambda item: cursor_of(item[0].id))

    def device_at(self, device_id: DeviceId, at: datetime) -> tuple[Device, PastState | None] | None:
        """Return one of them."""
        rows = self._found(_devices(at).where(_history.device_id == device_id))
        return (_device_then(rows[0]), _state_then(rows[0])) if rows else None

    def decision_at(self, device_id: DeviceId, at: datetime) -> DecisionRecord | None:
        """Return the last decision on a device that changed something; None while it had no state."""
        clause = _devices(at).where(_history.device_id == device_id, _decision.decision_id.is_not(None))
        rows = self._found(clause)
        return decision_of(_part(rows[0], "s")) if rows else None

    def certificates_at(
        self,
        page: PageRequest,
        at: datetime,
        *,
        device_id: DeviceId | None,
        status: CertificateStatus | None,
        models: frozenset[str] | None,
    ) -> Page[CertificateRecord]:
        """Return what had been issued with the status it had, newest first."""
        clause = _certificates(at)
        if device_id is not None:
            clause = clause.where(_certificate.device_id == device_id)
        if status is not None:
            clause = clause.where(func.coalesce(_status.status, CertificateStatus.GOOD.value) == status.value)
        if models is not None:
            mine = select(_device.id).where(_device.model.in_(sorted(models)))
            clause = clause.where(_certificate.device_id.in_(mine))
        if page.cursor is not None:
            before, serial = parts_of(page.cursor, 2)
            place = tuple_(_certificate.not_before, _certificate.serial)
            clause = clause.where(place < tuple_(literal(number(before)), literal(serial)))
        ordered = clause.order_by(desc(_certificate.not_before), desc(_certificate.serial)).limit(page.limit + 1)
        rows = [_certificate_then(row) for row in self._found(ordered)]
        return page_of(rows, page.limit, lambda row: cursor_of(str(micros(row.not_before)), row.serial))

    def certificate_at(self, serial: str, at: datetime) -> CertificateRecord | None:
        """Return one of them by serial number."""
        rows = self._found(_certificates(at).where(_certificate.serial == serial))
        return _certificate_then(rows[0]) if rows else None

    def newest_certificate_at(self, device_id: DeviceId, at: datetime) -> CertificateRecord | None:
        """Return the last one that had been issued to a device."""
        clause = _certificates(at).where(_certificate.device_id == device_id).order_by(desc(_certificate.lineage))
        rows = self._found(clause.limit(1))
        return _certificate_then(rows[0]) if rows else None

    def facts_in_use_at(self, scope: FleetScope, at: datetime) -> tuple[Digest, ...]:
        """Return the shared facts on which devices then in service had been decided."""
        clause = _devices(at).where(*_in_service(scope)).with_only_columns(_decision.facts_shared)
        return tuple(named(digest) for (digest,) in self._found(clause.distinct()))

    def running_at(
        self, scope: FleetScope, facts: Sequence[Digest], page: PageRequest, at: datetime
    ) -> Page[tuple[Device, DecisionRecord]]:
        """Return the devices whose last decision by then was made on any of `facts`, by id."""
        among = _decision.facts_shared.in_([bytes.fromhex(digest[7:]) for digest in facts])
        clause = _devices(at).where(*_in_service(scope), among).order_by(_history.device_id).limit(page.limit + 1)
        if page.cursor is not None:
            clause = clause.where(_history.device_id > parts_of(page.cursor, 1)[0])
        rows = [(_device_then(row), decision_of(_part(row, "s"))) for row in self._found(clause)]
        return page_of(rows, page.limit, lambda item: cursor_of(item[0].id))


def _devices(at: datetime) -> Select[Any]:
    """Return the SELECT of each device as it was at a moment, with its last decision by then while it had a state."""
    at_us = micros(at)
    inner = tables.decision.alias("earlier")
    last = (
        select(inner.c.decision_id)
        .where(inner.c.device_id == _history.device_id, inner.c.decided_at <= at_us)
        .order_by(desc(inner.c.decided_at), desc(inner.c.log_index))
        .limit(1)
        .scalar_subquery()
    )
    joined = tables.device_history.join(tables.device, _device.id == _history.device_id).outerjoin(
        tables.decision, and_(_history.key_thumbprint.is_not(None), _decision.decision_id == last)
    )
    columns = [
        *(column.label(f"h_{column.key}") for column in tables.device_history.c),
        *(column.label(f"s_{column.key}") for column in tables.decision.c),
    ]
    holds = (_history.valid_from <= at_us, or_(_history.valid_to.is_(None), _history.valid_to > at_us))
    return select(_device.vendor, _device.model, *columns).select_from(joined).where(*holds)


def _tier_then() -> ColumnElement[int]:
    """Return the stricter of what was decided and what a person had put on the device.

    INVARIANT: a restriction is canonical JSON, whose last key is the tier (rows.restriction_text).
    """
    restricted = case(
        *((_history.restriction.like(f'%"tier":{int(tier)}}}'), int(tier)) for tier in Tier), else_=int(Tier.FULL)
    )
    return case((_decision.tier > restricted, _decision.tier), else_=restricted)


def _conditions(where: DeviceFilter) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    equal = {_history.site: where.site, _history.zone: where.zone}
    wanted.extend(column == value for column, value in equal.items() if value is not None)
    if where.lifecycle is not None:
        wanted.append(_history.lifecycle == where.lifecycle.value)
    if where.text:
        wanted.append(_history.device_id.startswith(where.text, autoescape=True))
    if where.tier is not None:
        wanted += [_decision.decision_id.is_not(None), _tier_then() == int(where.tier)]
    return wanted


def _in_service(scope: FleetScope) -> list[ColumnElement[bool]]:
    wanted = {_device.model: scope.models, _history.site: scope.sites, _history.zone: scope.zones}
    named_ones = [func.coalesce(column, "").in_(sorted(names)) for column, names in wanted.items() if names is not None]
    return [_history.lifecycle == Lifecycle.OPERATIONAL.value, _decision.decision_id.is_not(None), *named_ones]


def _part(row: Row[Any], prefix: str) -> dict[str, Any]:
    start = f"{prefix}_"
    return {name.removeprefix(start): value for name, value in row._mapping.items() if name.startswith(start)}


def _device_then(row: Row[Any]) -> Device:
    return device_of({**_part(row, "h"), "id": row.h_device_id, "vendor": row.vendor, "model": row.model})


def _state_then(row: Row[Any]) -> PastState | None:
    if row.s_decision_id is None:
        return None
    restriction, tier = restriction_of(row.h_restriction), Tier(row.s_tier)
    ends: str | None = json.loads(unpacked(row.s_document))["valid_until"]
    return PastState(
        tier=tier if restriction is None else max(tier, restriction.tier),
        decided_tier=Tier(row.s_decided_tier),
        decision_id=named(row.s_decision_id),
        decided_at=moment(row.s_decided_at),
        valid_until=None if ends is None else parse_timestamp(ends),
        bundle=named(row.s_bundle),
        identity_kind=row.h_identity_kind,
        key_thumbprint=row.h_key_thumbprint,
        restriction=restriction,
    )


def _certificates(at: datetime) -> Select[Any]:
    """Return the SELECT of what had been issued by a moment, each with its last status by then."""
    inner = tables.certificate_status.alias("earlier")
    same = (inner.c.issuer == _certificate.issuer) & (inner.c.serial == _certificate.serial)
    last = select(func.max(inner.c.log_index)).where(same, inner.c.status_at <= micros(at)).scalar_subquery()
    columns = (_status[name].label(f"then_{name}") for name in ("status", "status_reason", "status_at"))
    return (
        select(tables.certificate, *columns)
        .select_from(tables.certificate.outerjoin(tables.certificate_status, _status.log_index == last))
        .where(_certificate.state == "issued", _certificate.closed_at <= micros(at))
    )


def _certificate_then(row: Row[Any]) -> CertificateRecord:
    fields = row._mapping
    said = {name: fields[f"then_{name}"] for name in ("status", "status_reason", "status_at")}
    if said["status"] is None:  # nothing was said of it since it was issued
        said = {"status": CertificateStatus.GOOD.value, "status_reason": None, "status_at": fields["closed_at"]}
    return certificate_of({**fields, **said})
