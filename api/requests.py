"""The shapes of what people send; what is not declared is refused (docs/api.md)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pki.revocation import Reason
from policyengine.services.actors import PersonRole
from policyengine.services.identification.gateways import MAX_GATEWAYS

MAX_DEVICES_A_REQUEST = 10_000  # about 3 MB of JSON; a larger fleet is announced in several requests
MAX_LABELS = 64

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class Shape(BaseModel):
    """The root of all request shapes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceIn(Shape):
    """A device to announce."""

    id: Name
    vendor: Name
    model: Name
    serial: Line
    device_class: Name | None = Field(default=None, alias="class")
    hw_version: Line | None = None
    site: Name | None = None
    zone: Name | None = None
    labels: Annotated[dict[Name, Line], Field(max_length=MAX_LABELS)] = Field(default_factory=dict)
    criticality: Name | None = None
    gateways: Annotated[list[Name], Field(max_length=MAX_GATEWAYS)] = Field(default_factory=list)


class DevicesIn(Shape):
    """Devices to announce, all or none."""

    devices: Annotated[list[DeviceIn], Field(min_length=1, max_length=MAX_DEVICES_A_REQUEST)]


class ReasonIn(Shape):
    """Why a person does it; it is kept in the log."""

    reason: Line


class TransferIn(Shape):
    """Where a device stands now, and why; what is left out stays."""

    site: Name | None = None
    zone: Name | None = None
    reason: Line


class GatewaysIn(Shape):
    """Which devices may speak for it from now on, all of them, and why."""

    gateways: Annotated[list[Name], Field(max_length=MAX_GATEWAYS)]
    reason: Line


class ReplacementIn(Shape):
    """Which registered device takes the place, and why."""

    by: Name
    reason: Line


class RekeyIn(Shape):
    """The vendor's serial number of the new board, where it has another one, and why."""

    serial: Line | None = None
    reason: Line


class RevocationIn(Shape):
    """Why a certificate is revoked: a CRLReason name of RFC 5280 section 5.3.1."""

    reason: Reason


ProposalId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class ConfirmationIn(Shape):
    """Which proposal is confirmed: what was seen, not what stands there by now."""

    proposal: ProposalId


class WithdrawalIn(Shape):
    """Which proposal ends, and why."""

    proposal: ProposalId
    reason: Line


class LifetimeIn(Shape):
    """How long a one-time token lives."""

    lifetime_seconds: Annotated[int, Field(ge=60, le=90 * 86400)] = 7 * 86400


class ActivationIn(Shape):
    """`expected_generation` is the generation the actor saw; null when none was in force."""

    expected_generation: int | None = None


class TokenIn(Shape):
    """An API token to make."""

    name: Line
    role: PersonRole
    lifetime_seconds: Annotated[int, Field(ge=60, le=366 * 86400)] = 90 * 86400
    party: Name | None = None
    models: Annotated[list[Name], Field(min_length=1, max_length=256)] | None = None
