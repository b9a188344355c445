"""Reservations in the database: committed before the token that allows a signature exists."""

from __future__ import annotations

from datetime import datetime

from pki.reservation import Registrar, Reservation, Reserved
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.changes import AbortReservation, ReserveCertificate
from policyengine.services.ports import Writer


class SqlLedger:
    """Implements the CertificateLedger port; holds the registrar whose tokens the authority accepts."""

    def __init__(self, writer: Writer, registrar: Registrar) -> None:
        self._writer = writer
        self._registrar = registrar

    async def reserve(
        self, reservation: Reservation, *, device_id: DeviceId, decision_id: Digest, at: datetime, salt: bytes
    ) -> Reserved:
        """Return the token to sign with, once serial, TBS digest and decision are committed.

        Raises ConflictError (`key.reused`, `key.compromised`), UnavailableError.
        """
        await self._writer.submit(
            ReserveCertificate(
                issuer=reservation.issuer,
                serial=reservation.serial,
                device_id=device_id,
                decision_id=decision_id,
                tbs_sha256=bytes.fromhex(reservation.tbs_sha256.removeprefix("sha256:")),
                profile=reservation.profile,
                key_thumbprint=reservation.key,
                at=at,
                salt=salt,
            )
        )
        return self._registrar.committed(reservation)

    async def abort(self, issuer: str, serial: str, *, reason: str, at: datetime, salt: bytes) -> None:
        """Close a reservation whose certificate will never leave."""
        await self._writer.submit(AbortReservation(issuer=issuer, serial=serial, reason=reason, at=at, salt=salt))
