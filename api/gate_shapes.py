"""The public shapes of what gates are told."""

from __future__ import annotations

from pydantic import Field

from api.shapes import Moment, Shape, Word


class PostureOut(Shape):
    """A posture token: a compact JWS that the audience checks with `/.well-known/jwks.json`."""

    token: str
    device_id: str
    purpose: str = Field(serialization_alias="for", validation_alias="purpose")
    audience: str = Field(serialization_alias="aud", validation_alias="audience")
    expires_at: Moment


class GateAnswerOut(Shape):
    """Whether a device may pass; `code` and `reason` say why not."""

    device_id: str
    is_open: bool = Field(serialization_alias="open", validation_alias="is_open")
    tier: Word | None
    code: str | None
    reason: str


class GateMovesOut(Shape):
    """Devices whose gate may have moved, and where to go on from; `more`: at once."""

    next: int
    more: bool
    everything: bool
    answers: list[GateAnswerOut] = Field(serialization_alias="devices", validation_alias="answers")
