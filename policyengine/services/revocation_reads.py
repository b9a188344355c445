"""What revocation lists and OCSP answers read of storage; adapters implement it."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Protocol

from policyengine.services.records import CertificateStatus


class RevocationReads(Protocol):
    """What revocation lists and OCSP answers read. Serials are lowercase hex; ranges include both ends."""

    def revocation_state(self, issuer: str, first: str, last: str) -> Hashable:
        """Return a value that changes whenever an entry between the serials does."""
        ...

    def revocation_entries(self, issuer: str, first: str, last: str, *, alive_at: datetime) -> list[bytes]:
        """Return the encoded entries of what is revoked or on hold and has not expired."""
        ...

    def revocation_changes(
        self, issuer: str, first: str, last: str, *, since: datetime
    ) -> list[tuple[str, bytes | None, datetime]]:
        """Return (serial, entry, when) of what changed; entry None: released."""
        ...

    def certificate_status(self, issuer: str, serial: str) -> tuple[CertificateStatus, str | None, datetime] | None:
        """Return what is said of an issued certificate: status, reason, since when."""
        ...

    def in_use(self, issuer: str, at: datetime) -> int:
        """Return how many devices in service have nothing newer than a certificate of `issuer` that is not over."""
        ...

    def serials_in_use(self, issuer: str, at: datetime, limit: int) -> tuple[str, ...]:
        """Return some serial numbers of those certificates."""
        ...
