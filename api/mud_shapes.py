"""The shapes of MUD files: as they are sent, and what is on file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.shapes import Moment, Shape
from pki.cms import MAX_MESSAGE_BYTES
from policyengine.model.base64url import base64url, from_base64url
from policyengine.services.errors import InvalidRequestError
from policyengine.services.supply.muds import FiledMud, SignedFile
from policyengine.supply.mud import MAX_MUD_BYTES


def _spelt(size: int) -> int:
    """Return how many characters `size` bytes have as base64url without padding."""
    return (size * 4 + 2) // 3


class SignedMud(BaseModel):
    """A MUD file and its detached signature (CMS in DER), each as base64url without padding."""

    model_config = ConfigDict(extra="forbid", strict=True)

    file: Annotated[str, Field(max_length=_spelt(MAX_MUD_BYTES))]
    signature: Annotated[str, Field(max_length=_spelt(MAX_MESSAGE_BYTES))]

    def sent(self) -> SignedFile:
        """Return the bytes. Raises InvalidRequestError (`request.invalid`)."""
        return SignedFile(content=_bytes(self.file, "file"), signature=_bytes(self.signature, "signature"))


def _bytes(text: str, path: str) -> bytes:
    found = from_base64url(text)
    if found is None:
        raise InvalidRequestError(f"`{path}` is not base64url without padding", code="request.invalid", path=path)
    return found


class FlowOut(Shape):
    """Connections that are allowed: the other end, and the first and last port of the end that is called."""

    peer_kind: str
    peer: str | None
    protocol: str
    port_from: int | None
    port_to: int | None


class MudOut(Shape):
    """A MUD file on file; `release` is null for a model's own, `left_out` names entries that facts cannot say."""

    release: str | None
    digest: str
    url: str
    last_update: str
    valid_until: Moment
    is_stale: bool
    is_supported: bool
    mfg_name: str | None
    model_name: str | None
    system_info: str | None
    signer: str
    inbound: list[FlowOut]
    outbound: list[FlowOut]
    left_out: list[str]
    filed_by: str
    party: str | None
    filed_at: Moment


def signed_mud(sent: SignedFile) -> SignedMud:
    """Return the shape of a MUD file as it was sent."""
    return SignedMud(file=base64url(sent.content), signature=base64url(sent.signature))


def mud_out(found: FiledMud) -> MudOut:
    """Return the shape of a MUD file on file."""
    filed, facts = found.filed, found.facts
    return MudOut(
        release=filed.release or None,
        digest=filed.original,
        url=facts["url"],
        last_update=facts["last_update"],
        valid_until=found.valid_until,
        is_stale=found.is_stale,
        is_supported=facts["is_supported"],
        mfg_name=facts.get("mfg_name"),
        model_name=facts.get("model_name"),
        system_info=facts.get("system_info"),
        signer=facts["signer"],
        inbound=list(map(_flow_out, facts["inbound"])),
        outbound=list(map(_flow_out, facts["outbound"])),
        left_out=list(found.left_out),
        filed_by=filed.by,
        party=filed.party,
        filed_at=filed.filed_at,
    )


def _flow_out(row: dict[str, object]) -> FlowOut:
    return FlowOut.model_validate({name: row.get(name) for name in FlowOut.model_fields})
