"""The ledger of key ceremonies: one line of JSON per step, appended and synced before the next step begins.

A ceremony happens before there is a database, perhaps on a machine that never has one. Its file is small, readable,
and holds what an auditor asks: which serial was reserved for which bytes, when, and what was signed.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path

from pki.reservation import IssuedCertificate, Registrar, Reservation, Reserved
from policyengine.errors import PolicyEngineError


class SerialReusedError(PolicyEngineError):
    """This issuer has used this serial before."""

    code = "ceremony.serial-reused"


class CeremonyLog:
    """A Ledger (pki.ports) over an append-only file; one writer at a time, as a ceremony is."""

    def __init__(self, path: Path, registrar: Registrar, *, now: datetime) -> None:
        self._path = path
        self._registrar = registrar
        self._now = now

    def reserve(self, reservation: Reservation) -> Reserved:
        """Return the token, after the reservation is on disk; raises SerialReusedError."""
        taken = {(line.get("issuer"), line.get("serial")) for line in self.lines() if line["step"] == "reserved"}
        if (reservation.issuer, reservation.serial) in taken:
            raise SerialReusedError(f"serial `{reservation.serial}` was used before", serial=reservation.serial)
        self._append(
            step="reserved",
            issuer=reservation.issuer,
            serial=reservation.serial,
            tbs_sha256=reservation.tbs_sha256,
            subject=reservation.subject,
            key=reservation.key,
            not_before=reservation.not_before.isoformat(),
            not_after=reservation.not_after.isoformat(),
            profile=reservation.profile,
            profile_digest=reservation.profile_digest,
            authorization=reservation.authorization,
        )
        return self._registrar.committed(reservation)

    def complete(self, issued: IssuedCertificate) -> None:
        """Record that the certificate exists, by its SHA-256."""
        self._append(
            step="issued",
            issuer=issued.reservation.issuer,
            serial=issued.reservation.serial,
            certificate="sha256:" + hashlib.sha256(issued.der).hexdigest(),
        )

    def abort(self, reservation: Reservation, *, reason: str) -> None:
        """Record that the reservation will never be signed."""
        self._append(step="aborted", issuer=reservation.issuer, serial=reservation.serial, reason=reason)

    def lines(self) -> list[dict[str, str]]:
        """Return every step so far."""
        return ceremony_steps(self._path)

    def _append(self, **step: str) -> None:
        line = json.dumps({"at": self._now.isoformat(), **step}, sort_keys=True) + "\n"
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def ceremony_steps(path: Path) -> list[dict[str, str]]:
    """Return every step that the log at `path` holds; none where there is no log."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
