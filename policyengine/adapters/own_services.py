"""Certificates of our own servers whose keys are elsewhere, and the server's own made anew before their time.

No device and no policy is concerned: the profiles are built in, linted like every other, and each certificate stands in
`ceremony.jsonl`. They live for 30 or 90 days instead of being revoked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from pki.builtin import ocsp_signer_terms, tls_server_terms
from pki.request import ProvenRequest
from pki.reservation import IssuedCertificate, Registrar
from policyengine.adapters.authority import FleetNames, Services, open_authority, tls_issuer
from policyengine.adapters.ceremony import CeremonyLog
from policyengine.adapters.keyfile import open_key

Entropy = Callable[[int], bytes]


class OwnRole(Enum):
    """What a service of ours is certified for."""

    TLS_SERVER = "tls-server"
    OCSP_SIGNER = "ocsp-signer"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnServices:
    """The issuing CA in `directory` at work for our own services, on the word of `by`."""

    directory: Path
    passphrase: bytes
    names: FleetNames
    now: datetime
    entropy: Entropy
    by: str

    def certify(self, role: OwnRole, request: ProvenRequest) -> tuple[IssuedCertificate, str]:
        """Return the certificate for the key in `request`, and the PEM of the CA above it.

        Raises NameRefusedError, KeyRefusedError, LintError, IssuanceError, and what opening the authority raises.
        """
        if role is OwnRole.OCSP_SIGNER:
            terms = ocsp_signer_terms()
        else:
            terms = tls_server_terms(hosts=self.names.host_names, addresses=self.names.host_addresses)
        services, above = self._opened()
        return services.issue(request, terms, fleet=self.names.fleet), above

    def renew_tls(self) -> Path:
        """Return the file of the server's TLS certificate, made anew for the same key and the hosts of `names`."""
        services, above = self._opened()
        file, key = self.directory / "tls.pem", open_key(self.directory / "tls.key", passphrase=self.passphrase)
        terms = tls_server_terms(hosts=self.names.host_names, addresses=self.names.host_addresses)
        services.certify(file, key, terms, fleet=self.names.fleet, chain=above)
        return file

    def _opened(self) -> tuple[Services, str]:
        registrar = Registrar()
        stored = open_authority(self.directory, passphrase=self.passphrase, registrar=registrar)
        ledger = CeremonyLog(self.directory / "ceremony.jsonl", registrar, now=self.now)
        services = Services(
            authority=stored.authority, ledger=ledger, now=self.now, entropy=self.entropy, by=f"by-hand:{self.by}"
        )
        return services, tls_issuer(stored.rollover, self.directory).read_text()
