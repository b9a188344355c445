"""Reservations: what is written down before a signature exists, and the token that says it was.

A signature needs two tokens. `Linted` (pki.lint) says that these bytes passed every clause; `Reserved` says that their
serial and digest are durable. Only a `Registrar` makes `Reserved`, an authority accepts only its own registrar's, and
the composition root hands the registrar to the ledger alone. Whoever cannot commit cannot sign.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import IssuanceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One row of the ledger: which certificate will exist, and what permitted it.

    `issuer` and `key` are `sha256:` thumbprints of public keys, `serial` is lowercase hex, `authorization` names the
    decision (or ceremony) behind it.
    """

    issuer: str
    serial: str
    tbs_sha256: str
    subject: str
    key: str
    not_before: datetime
    not_after: datetime
    profile: str
    profile_digest: str
    authorization: str


class Reserved:
    """Proof that a reservation is durable; made by `Registrar.committed` only."""

    __slots__ = ("_registrar", "reservation")

    def __init__(self, reservation: Reservation, registrar: Registrar) -> None:
        if type(registrar) is not Registrar:
            raise IssuanceError("only a registrar says that a reservation is durable", code="issue.unreserved")
        self.reservation = reservation
        self._registrar = registrar

    def is_from(self, registrar: Registrar) -> bool:
        """Return whether this very registrar made the token."""
        return self._registrar is registrar


class Registrar:
    """The capability to say that a reservation is durable: for an authority and its ledger, and for nobody else."""

    __slots__ = ()

    def committed(self, reservation: Reservation) -> Reserved:
        """Return the token for `reservation`. Call it after COMMIT, never before."""
        return Reserved(reservation, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A signed certificate and the reservation it redeems."""

    der: bytes
    reservation: Reservation

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate, parsed."""
        return x509.load_der_x509_certificate(self.der)

    @property
    def pem(self) -> str:
        """The certificate as PEM (RFC 7468 section 5)."""
        return pem_of(self.der)


def pem_of(certificate: bytes) -> str:
    """Return a DER certificate as PEM (RFC 7468 section 5)."""
    text = base64.b64encode(certificate).decode()
    lines = (text[start : start + 64] for start in range(0, len(text), 64))
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))


def pem_text(certificates: Iterable[x509.Certificate]) -> str:
    """Return certificates as PEM, one after the other."""
    return "".join(pem_of(each.public_bytes(Encoding.DER)) for each in certificates)
