"""The two ports of an authority: something that signs, and something that remembers before it does."""

from __future__ import annotations

from typing import Protocol

from pki.keys import PublicKey
from pki.reservation import IssuedCertificate, Reservation, Reserved
from pki.signatures import SignatureAlgorithm


class Signer(Protocol):
    """A private key that never leaves its backend (an encrypted file, a PKCS#11 token)."""

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        ...

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """The one algorithm that `sign` uses."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data` as X.509 carries it (ECDSA: a DER SEQUENCE of r and s)."""
        ...


class Ledger(Protocol):
    """Durable memory of every serial, unique per issuer.

    An implementation holds the authority's Registrar and calls `Registrar.committed` only after the reservation is
    durable. A reservation that is neither completed nor aborted when the process starts again is aborted.
    """

    def reserve(self, reservation: Reservation) -> Reserved:
        """Return the token to sign with, after (issuer, serial) is durably written; a serial is never reused."""
        ...

    def complete(self, issued: IssuedCertificate) -> None:
        """Store the certificate beside its reservation."""
        ...

    def abort(self, reservation: Reservation, *, reason: str) -> None:
        """Close a reservation that will never be signed; `reason` is an error code."""
        ...
