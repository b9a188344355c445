"""What gates read at each question: whose token it is, and a device with its decision and one certificate, by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, Select, bindparam, select
from sqlalchemy.sql import FromClause

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import named_or_none, time_or_none
from policyengine.adapters.sql.statements import ReadConnections, Reading
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId
from policyengine.services.moments import moment
from policyengine.services.records import ApiToken, CertificateStatus, GateCertificate, GateView, Lifecycle

_device = tables.device.c
_state = tables.device_state.c
_certificate = tables.certificate.c


class SqlGateReads:
    """The GateReads port over an engine whose statements commit by themselves."""

    def __init__(self, engine: Engine) -> None:
        self._kept_for_gates = kept = ReadConnections(engine)
        by_id = _columns(_from_device()).where(_device.id == bindparam("by_id"))
        by_serial = _columns(_from_certificate()).where(
            _certificate.serial == bindparam("by_serial"), _certificate.state == "issued"
        )
        token = select(tables.api_token).where(tables.api_token.c.id == bindparam("token_id"))
        self._asker = Reading(token, engine, kept)
        self._gate_by_id = Reading(by_id, engine, kept)
        self._gate_by_serial = Reading(by_serial, engine, kept)

    def close_gate_reads(self) -> None:
        """Give the connections kept for gates back."""
        self._kept_for_gates.close()

    def gate_view(self, device_id: DeviceId) -> GateView | None:
        """Return the device called `device_id`, with its current certificate."""
        row = self._gate_by_id.first(by_id=device_id)
        return None if row is None else _view(row)

    def gate_view_by_serial(self, serial: str) -> GateView | None:
        """Return the device that an issued certificate was made for, with that certificate."""
        row = self._gate_by_serial.first(by_serial=serial)
        return None if row is None else _view(row)

    def api_token(self, token_id: str) -> ApiToken | None:
        """Return an API token's record."""
        row = self._asker.first(token_id=token_id)
        return None if row is None else api_token_of(row)


def api_token_of(row: Sequence[Any]) -> ApiToken:
    """Return the token in a row of its table."""
    token_id, name, role, party, models, created_at, created_by, expires_at, last_used, revoked_at, secret_hash = row
    return ApiToken(
        id=token_id,
        name=name,
        role=role,
        party=party,
        models=None if models is None else tuple(models.split("\n")),
        created_at=moment(created_at),
        created_by=created_by,
        expires_at=moment(expires_at),
        last_used=time_or_none(last_used),
        revoked_at=time_or_none(revoked_at),
        secret_hash=secret_hash,
    )


def _columns(source: FromClause) -> Select[Any]:
    return select(
        *(_device.id, _device.model, _device.lifecycle),
        *(_state.tier, _state.decision_id, _state.bundle, _state.valid_until),
        *(_certificate.certificate, _certificate.status, _certificate.status_reason),
        *(_certificate.not_before, _certificate.not_after),
    ).select_from(source)


def _from_device() -> FromClause:
    current = (_certificate.issuer == _state.certificate_issuer) & (_certificate.serial == _state.certificate_serial)
    stated = tables.device.outerjoin(tables.device_state, _state.device_id == _device.id)
    return stated.outerjoin(tables.certificate, current)


def _from_certificate() -> FromClause:
    made_for = tables.certificate.join(tables.device, _device.id == _certificate.device_id)
    return made_for.outerjoin(tables.device_state, _state.device_id == _device.id)


def _view(row: Sequence[Any]) -> GateView:
    device_id, model, lifecycle, tier, decision_id, bundle, valid_until, *certificate = row
    return GateView(
        device_id=DeviceId(device_id),
        model=model,
        lifecycle=Lifecycle(lifecycle),
        tier=None if tier is None else Tier(tier),
        decision_id=named_or_none(decision_id),
        bundle=named_or_none(bundle),
        valid_until=time_or_none(valid_until),
        certificate=_shown(certificate),
    )


def _shown(row: Sequence[Any]) -> GateCertificate | None:
    content, status, status_reason, not_before, not_after = row
    if content is None:
        return None
    return GateCertificate(
        content=content,
        status=CertificateStatus(status),
        status_reason=status_reason,
        not_before=moment(not_before),
        not_after=moment(not_after),
    )
