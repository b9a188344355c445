"""Certificates of our own servers whose keys are elsewhere, and the server's own made anew before their time.

No device and no policy is concerned: the profiles are built in, linted like every other, and each certificate stands in
`ceremony.jsonl`. `certified` reads from there what the register of service certificates is filled with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from pki.builtin import ocsp_signer_terms, tls_server_terms
from pki.certificates import thumbprint
from pki.request import ProvenRequest
from pki.reservation import IssuedCertificate, Registrar
from pki.software import PrivateKey
from policyengine.adapters.authority import FleetNames, Services, open_authority, tls_issuer
from policyengine.adapters.ceremony import CeremonyLog, ceremony_steps
from policyengine.adapters.keyfile import open_key
from policyengine.adapters.new_keys import begin_new_key, finish_new_key
from policyengine.adapters.rollover import issuers_ever
from policyengine.services.records import CertificateStatus
from policyengine.services.service_certificates import BY_HAND, ServiceCertificate

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
    publish_at: str | None = None  # where the certificates say that they are spoken of

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
        return self._certify_tls(open_key(self.directory / "tls.key", passphrase=self.passphrase))

    def rekey_tls(self) -> Path:
        """Return the file of the server's TLS certificate, made anew for a new key and the hosts of `names`."""
        stem = self.directory / "tls"
        file = self._certify_tls(begin_new_key(stem, passphrase=self.passphrase, entropy=self.entropy))
        finish_new_key(stem, passphrase=self.passphrase)
        return file

    def _certify_tls(self, key: PrivateKey) -> Path:
        services, above = self._opened()
        file = self.directory / "tls.pem"
        terms = tls_server_terms(hosts=self.names.host_names, addresses=self.names.host_addresses)
        services.certify(file, key, terms, fleet=self.names.fleet, chain=above)
        return file

    def _opened(self) -> tuple[Services, str]:
        registrar = Registrar()
        stored = open_authority(
            self.directory, passphrase=self.passphrase, registrar=registrar, publish_at=self.publish_at
        )
        ledger = CeremonyLog(self.directory / "ceremony.jsonl", registrar, now=self.now)
        services = Services(
            authority=stored.authority, ledger=ledger, now=self.now, entropy=self.entropy, by=f"{BY_HAND}{self.by}"
        )
        return services, tls_issuer(stored.rollover, self.directory).read_text()


def certified(directory: Path) -> tuple[ServiceCertificate, ...]:
    """Return what the issuing CAs in `directory`, the present one and former ones, certified in ceremonies and by hand.

    Raises AuthorityMissingError, PathError.
    """
    ours = {thumbprint(each) for each in issuers_ever(directory)}
    lines = ceremony_steps(directory / "ceremony.jsonl")
    reserved = {(line["issuer"], line["serial"]): line for line in lines if line["step"] == "reserved"}
    issued = [line for line in lines if line["step"] == "issued" and line["issuer"] in ours]
    return tuple(_certified(reserved[line["issuer"], line["serial"]], line) for line in issued)


def _certified(reserved: dict[str, str], issued: dict[str, str]) -> ServiceCertificate:
    return ServiceCertificate(
        issuer=reserved["issuer"],
        serial=reserved["serial"],
        profile=reserved["profile"],
        subject=reserved["subject"],
        issued_by=reserved["authorization"],
        key_thumbprint=reserved["key"],
        not_before=datetime.fromisoformat(reserved["not_before"]),
        not_after=datetime.fromisoformat(reserved["not_after"]),
        sha256=issued["certificate"],
        status=CertificateStatus.GOOD,
        status_reason=None,
        status_at=datetime.fromisoformat(issued["at"]),
    )
