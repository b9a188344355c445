"""The memory of serials that issuance needs; adapters implement it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pki.reservation import Reservation, Reserved
from policyengine.model.ids import DeviceId, Digest


class CertificateLedger(Protocol):
    """The durable memory of serials; the only holder of the authority's registrar besides the authority."""

    async def reserve(
        self, reservation: Reservation, *, device_id: DeviceId, decision_id: Digest, at: datetime, salt: bytes
    ) -> Reserved:
        """Return the token to sign with, once serial, TBS digest and decision are committed."""
        ...

    async def abort(self, issuer: str, serial: str, *, reason: str, at: datetime, salt: bytes) -> None:
        """Close a reservation whose certificate will never leave."""
        ...
