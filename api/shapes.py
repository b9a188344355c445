"""The public shapes of what people read; keys are stable (docs/api.md)."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from policyengine.model.decision import Tier
from policyengine.model.times import format_timestamp
from policyengine.services.past_state import PastState
from policyengine.services.records import CertificateRecord, Device, DeviceState
from policyengine.services.registry.devices import DeviceDetail


def _text(value: object) -> object:
    if isinstance(value, Tier):
        return value.name.lower()
    return value.value if isinstance(value, Enum) else value


def _pem(value: object) -> object:
    return ssl.DER_cert_to_PEM_cert(value) if isinstance(value, bytes) else value


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


Moment = Annotated[datetime, PlainSerializer(format_timestamp, return_type=str)]
Word = Annotated[str, BeforeValidator(_text)]
Pem = Annotated[str, BeforeValidator(_pem)]
Labels = Annotated[dict[str, str], BeforeValidator(_plain)]
Counts = Annotated[dict[str, int], BeforeValidator(_plain)]
Details = Annotated[dict[str, object], BeforeValidator(_plain)]


class Shape(BaseModel):
    """The root of all response shapes; made from a record's attributes of the same names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class RestrictionOut(Shape):
    """A tier that a person put on a device."""

    tier: Word
    reason: str
    actor: str
    since: Moment


class DeviceOut(Shape):
    """A device of the registry."""

    id: str
    vendor: str
    model: str
    serial: str
    device_class: str | None = Field(serialization_alias="class")
    hw_version: str | None
    site: str | None
    zone: str | None
    labels: Labels
    criticality: str | None
    gateways: list[str]
    lifecycle: Word
    enrolled_at: Moment | None


class StateOut(Shape):
    """What was last decided of a device."""

    tier: Word
    decided_tier: Word
    decision_id: str
    decided_at: Moment
    valid_until: Moment | None
    last_seen: Moment | None
    identity_kind: str
    key_thumbprint: str
    bundle: str
    reporter: str | None
    restriction: RestrictionOut | None


class DeviceRowOut(DeviceOut):
    """A device in a list; `state` is null until it has enrolled."""

    state: StateOut | None


class VerdictOut(Shape):
    """What one rule under one binding says of a device."""

    rule: str
    binding: str | None
    result: str
    reason: str
    mode: str
    action: str
    failing_since: Moment | None
    valid_from: Moment


class CertificateOut(Shape):
    """A certificate our CA issued; `pem` is the certificate itself."""

    serial: str
    issuer: str
    device_id: str
    decision_id: str
    profile: str
    tier: Word
    lineage: int
    replaces: str | None
    key_thumbprint: str
    not_before: Moment
    not_after: Moment
    status: Word
    status_reason: str | None
    status_at: Moment
    expired: bool = False
    pem: Pem = Field(validation_alias="certificate")


class ServiceCertificateOut(Shape):
    """A certificate that our CA gave to a server or responder of ours; `issued_by` is whoever had it made."""

    serial: str
    issuer: str
    profile: str
    subject: str
    issued_by: str
    key_thumbprint: str
    not_before: Moment
    not_after: Moment
    sha256: str
    status: Word
    status_reason: str | None
    status_at: Moment


class ProposalOut(Shape):
    """What one party proposes to revoke; another one must confirm it before it ends."""

    id: str
    serial: str
    issuer: str
    device_id: str
    reason: str
    proposed_by: str
    proposed_party: str
    proposed_at: Moment
    expires_at: Moment


class DeviceDetailOut(DeviceRowOut):
    """One device with its verdicts and its current certificate."""

    certificate: CertificateOut | None
    verdicts: list[VerdictOut]


class DecisionOut(Shape):
    """A decision in a list; the whole document is at `/v1/decisions/{decision_id}`."""

    decision_id: str
    device_id: str
    decided_at: Moment
    phase: Word
    tier: Word
    decided_tier: Word
    previous_tier: Word | None
    bundle: str


class TimelineOut(Shape):
    """Something that happened to a device."""

    at: Moment
    kind: str
    summary: str
    reference: str


class BundleOut(Shape):
    """A published bundle; `generation` is set on the one in force."""

    digest: str
    commit: str | None
    published_at: Moment
    published_by: str
    generation: int | None
    activated_at: Moment | None
    activated_by: str | None


class ActivationOut(Shape):
    """Which bundle is in force."""

    generation: int
    digest: str
    activated_at: Moment
    actor: str


class SecurityEventOut(Shape):
    """Something that was not believed."""

    id: str
    code: str
    device_id: str | None
    check: str | None
    detail: str
    first_at: Moment
    last_at: Moment
    count: int


class AuditEventOut(Shape):
    """An administrative act; `index` is its place in the log."""

    index: int
    at: Moment
    actor: str
    action: str
    subject: str
    detail: Details


class TokenOut(Shape):
    """An API token without its secret."""

    id: str
    name: str
    role: Word
    party: str | None
    models: list[str] | None
    created_at: Moment
    created_by: str
    expires_at: Moment
    last_used: Moment | None
    revoked_at: Moment | None


class NewTokenOut(Shape):
    """A token in clear, shown this once."""

    secret: str
    token: TokenOut


class EnrolmentTokenOut(Shape):
    """A one-time enrolment token in clear, shown this once."""

    token: str
    device_id: str
    expires_at: Moment


def certificate_out(record: CertificateRecord, *, at: datetime) -> CertificateOut:
    """Return the public shape of a certificate as it is, or was, at `at`."""
    return CertificateOut.model_validate(record).model_copy(update={"expired": record.not_after < at})


def device_row(row: tuple[Device, DeviceState | PastState | None]) -> DeviceRowOut:
    """Return a device's row in a list."""
    device, state = row
    return DeviceRowOut.model_validate({**_attributes(device), "state": state})


def device_detail(detail: DeviceDetail, *, at: datetime) -> DeviceDetailOut:
    """Return everything a person asks of one device as it is, or was, at `at`."""
    held = None if detail.certificate is None else certificate_out(detail.certificate, at=at)
    shown = {"state": detail.state, "certificate": held, "verdicts": detail.verdicts}
    return DeviceDetailOut.model_validate({**_attributes(detail.device), **shown})


def _attributes(device: Device) -> dict[str, object]:
    return {name: getattr(device, name) for name in DeviceOut.model_fields}
