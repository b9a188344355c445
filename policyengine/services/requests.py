"""What a device sends and gets: a check-in after its encodings are undone, and the reply ready to send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceItem:
    """Evidence as sent: its media type with parameters (`type`) and its bytes (`value`)."""

    media_type: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInRequest:
    """A check-in after JSON and base64url are undone.

    `csr` is PKCS#10 DER. `token` and `key` (SPKI DER) are for enrolment by one-time token, `activation` is the secret
    of a TPM credential. `reported` are fact groups as in a facts file (`{"net": {"open_ports": [22]}}`). `digest` is
    SHA-256 of the request body as received: a byte-identical retry gets the stored reply. `gateway` is who brought it,
    by a certificate of its own.
    """

    nonce: bytes
    evidence: tuple[EvidenceItem, ...]
    digest: bytes
    csr: bytes | None = None
    reported: Mapping[str, object] | None = None
    token: str | None = None
    key: bytes | None = None
    activation: bytes | None = None
    gateway: DeviceId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInReply:
    """`body` is the whole JSON reply (DESIGN section 10), ready to send with status 200 whatever the tier."""

    body: bytes
    device_id: DeviceId
    decision_id: Digest
    tier: Tier
    repeated: bool  # a byte-identical retry: nothing was recorded again
