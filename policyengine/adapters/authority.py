"""The authority on disk: a fleet's hierarchy, made once by a logged ceremony and opened at every start.

    root.key root.pem          move root.key to a safe after the ceremony: a rotation alone asks for it
    issuing.key issuing.pem    the fleet's issuing CA: path length 0, bound to the fleet's domains
    issuing.hsm.json           instead of issuing.key: which token holds the key, and under which label
    results.key results.pem    signs attestation results (EAR); never a CA key
    ocsp.key ocsp.pem          signs OCSP answers for the issuing CA
    tls.key tls.pem            the server's; the chain stands in the file, leaf first
    ceremony.jsonl             every reservation and signature of the above
    rollover.json g2/ ...      where a planned rollover stands, and the CAs it made (rollover.py)

The directory appears whole or not at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509

from pki.authority import Authority, Order, issue, issuer_of
from pki.builtin import ocsp_signer_terms, result_signer_terms, tls_server_terms
from pki.certificates import load_certificate, split_certificates
from pki.crl_issuing import ListAuthority
from pki.hierarchy import CEREMONY, Founding, found
from pki.keys import KeyType
from pki.ocsp_response import OcspSigner
from pki.profile import Terms
from pki.request import ProvenKey, held_key
from pki.reservation import IssuedCertificate, Registrar
from pki.software import PrivateKey, SoftwareSigner
from pki.tbs import SERIAL_ENTROPY
from policyengine.adapters.ceremony import CeremonyLog
from policyengine.adapters.hsm import HsmSigner, Token, TokenPlace, open_hsm_signer, write_place
from policyengine.adapters.keyfile import generate, open_key, open_signer, sync_directory, write_key
from policyengine.adapters.new_keys import finish_new_key
from policyengine.adapters.rollover_state import Rollover, RolloverState, read_rollover
from policyengine.errors import PolicyEngineError

DIRECTORY = "keys/ca"  # below the data directory
RENEWAL = "ceremony:renew-services"
CROSS = "cross.pem"  # this folder's issuing CA, certified by the root before it
FORMER_CROSS = "former-cross.pem"  # the issuing CA before it, certified by this folder's root

Entropy = Callable[[int], bytes]


class AuthorityExistsError(PolicyEngineError):
    """There is an authority already; a second one would orphan every device of the first."""

    code = "authority.exists"


class AuthorityMissingError(PolicyEngineError):
    """The directory does not hold an authority, or not a whole one."""

    code = "authority.missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetNames:
    """Whose hierarchy it is: the fleet's name, its devices' domains, and the server's hosts (names or addresses)."""

    fleet: str
    domains: tuple[str, ...]
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")

    @property
    def host_names(self) -> tuple[str, ...]:
        """The hosts that are names."""
        return tuple(host for host in self.hosts if _address(host) is None)

    @property
    def host_addresses(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """The hosts that are addresses."""
        return tuple(found for host in self.hosts if (found := _address(host)) is not None)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherAuthority:
    """Another CA of the fleet, in the overlap of a rollover: it answers for its certificates and issues none."""

    issuing: x509.Certificate
    lists: ListAuthority
    ocsp: OcspSigner | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAuthority:
    """What a server needs of it: the issuing authority, the certificates, the results key, the server's TLS files."""

    directory: Path
    authority: Authority
    root: x509.Certificate
    issuing: x509.Certificate
    results_key: PrivateKey
    results_certificate: x509.Certificate
    lists: ListAuthority
    ocsp: OcspSigner | None  # None until a server's start has made its key
    others: tuple[OtherAuthority, ...]
    trust: tuple[x509.Certificate, ...]  # what relying parties are told of: every CA in service, and cross-certificates
    rollover: Rollover

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What stands above a device's certificate: issuing CA, root; then the way to the old root, in the overlap.

        Below a company's root, its CAs stand between the two.
        """
        if self.rollover.state is not RolloverState.SWITCHED:
            own = certificates_in(self.directory / self.rollover.current / "issuing.pem")
            return (*own, self.root)
        own = certificates_in(self.directory / self.rollover.current / "issuing.pem")
        crossed = certificates_in(tls_issuer(self.rollover, self.directory))
        former = certificate_in(self.directory / str(self.rollover.other) / "root.pem")
        return tuple(dict.fromkeys((*own, self.root, *crossed, former)))

    @property
    def tls_chain(self) -> Path:
        """The server's certificate and its issuer, PEM."""
        return self.directory / "tls.pem"

    @property
    def tls_key(self) -> Path:
        """The server's key, encrypted PEM under the same passphrase."""
        return self.directory / "tls.key"


def create_authority(
    directory: Path,
    *,
    passphrase: bytes,
    names: FleetNames,
    now: datetime,
    entropy: Entropy,
    token: TokenPlace | None = None,
) -> None:
    """Run the founding ceremony and leave its files in `directory`; the issuing key is made in `token`, if given.

    Raises AuthorityExistsError if the directory is there, NameRefusedError for a name no certificate may carry,
    HsmError, PassphraseError, OSError.
    """
    if directory.exists():
        raise AuthorityExistsError(f"`{directory}` exists and is not overwritten")
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".ceremony-") as work:
        _ceremony(Path(work) / "ca", passphrase=passphrase, names=names, now=now, entropy=entropy, token=token)
        (Path(work) / "ca").rename(directory)
        sync_directory(directory.parent)


def _ceremony(
    work: Path,
    *,
    passphrase: bytes,
    names: FleetNames,
    now: datetime,
    entropy: Entropy,
    token: TokenPlace | None,
) -> None:
    work.mkdir(mode=0o700)
    registrar = Registrar()
    ledger = CeremonyLog(work / "ceremony.jsonl", registrar, now=now)
    root = generate(KeyType.P256)
    write_key(work / "root.key", root, passphrase=passphrase, entropy=entropy)
    issuing = made_signer(work, token, names.fleet, passphrase=passphrase, entropy=entropy)
    hierarchy = found(
        Founding(
            fleet_name=names.fleet,
            domains=(*names.domains, *names.host_names),
            addresses=names.host_addresses,
            now=now,
        ),
        root=SoftwareSigner(root),
        issuing=issuing,
        ledger=ledger,
        registrar=registrar,
        entropy=entropy,
    )
    (work / "root.pem").write_text(hierarchy.root.pem)
    (work / "issuing.pem").write_text(hierarchy.issuing.pem)
    services = Services(authority=hierarchy.authority, ledger=ledger, now=now, entropy=entropy, by=CEREMONY)
    certify_servers(work, services, names, passphrase=passphrase)


def certify_servers(work: Path, services: Services, names: FleetNames, *, passphrase: bytes) -> None:
    """Make the keys and certificates of results, OCSP and TLS beside the issuing CA's in `work`."""
    keys = {name: generate(KeyType.P256) for name in ("results", "ocsp", "tls")}
    for name, key in keys.items():
        write_key(work / f"{name}.key", key, passphrase=passphrase, entropy=services.entropy)
    services.certify(work / "results.pem", keys["results"], result_signer_terms(), fleet=names.fleet)
    services.certify(work / "ocsp.pem", keys["ocsp"], ocsp_signer_terms(), fleet=names.fleet)
    hosts = tls_server_terms(hosts=names.host_names, addresses=names.host_addresses)
    chain = (work / "issuing.pem").read_text()
    services.certify(work / "tls.pem", keys["tls"], hosts, fleet=names.fleet, chain=chain)


def made_signer(
    work: Path, token: TokenPlace | None, fleet: str, *, passphrase: bytes, entropy: Entropy
) -> SoftwareSigner | HsmSigner:
    """Make the issuing key: in a file, or in a token, where a label is used once."""
    if token is None:
        key = generate(KeyType.P256)
        write_key(work / "issuing.key", key, passphrase=passphrase, entropy=entropy)
        return SoftwareSigner(key)
    label, opened = f"{fleet} issuing CA", Token(token)
    opened.generate(label, KeyType.P256)
    write_place(work / "issuing.hsm.json", token, label=label)
    return HsmSigner(opened, label)


def issuing_signer(directory: Path, *, passphrase: bytes) -> SoftwareSigner | HsmSigner:
    """Return the signer of the issuing key that stands in `directory`, or in the token that it names."""
    place = directory / "issuing.hsm.json"
    if place.exists():
        return open_hsm_signer(place)
    return open_signer(directory / "issuing.key", passphrase=passphrase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The issuing CA at work for our own servers: no device and no policy is concerned."""

    authority: Authority
    ledger: CeremonyLog
    now: datetime
    entropy: Entropy
    by: str

    def certify(self, path: Path, key: PrivateKey, terms: Terms, *, fleet: str, chain: str = "") -> None:
        """Write the certificate for `key`, and `chain` after it, replacing what was there in one step."""
        issued = self.issue(held_key(SoftwareSigner(key)), terms, fleet=fleet)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(issued.pem + chain)
        fresh.replace(path)

    def issue(self, key: ProvenKey, terms: Terms, *, fleet: str) -> IssuedCertificate:
        """Return a certificate for `key`; raises what issuing raises."""
        order = Order(terms=terms, key=key, fields={"fleet.name": fleet}, authorization=self.by)
        return issue(self.authority, self.ledger, order, now=self.now, entropy=self.entropy(SERIAL_ENTROPY))


def open_authority(
    directory: Path, *, passphrase: bytes, registrar: Registrar, publish_at: str | None = None
) -> StoredAuthority:
    """Return the authority in `directory`; it signs only what `registrar` says is durable.

    Its certificates name revocation list and OCSP responder below `publish_at`, if given.
    Raises ProfileError, AuthorityMissingError, KeyFileError, PassphraseError, PathError, IssuanceError `issue.signer`.
    """
    rollover = read_rollover(directory)
    folder, *others = (directory / name for name in rollover.served)
    issuing = certificate_in(folder / "issuing.pem")
    signer = issuing_signer(folder, passphrase=passphrase)
    issuer = issuer_of(issuing, publish_at=publish_at)
    return StoredAuthority(
        directory=directory,
        authority=Authority(issuer=issuer, signer=signer, registrar=registrar),
        lists=ListAuthority(issuer=issuer, signer=signer),
        ocsp=_responder(folder, issuing, passphrase),
        root=certificate_in(folder / "root.pem"),
        issuing=issuing,
        results_key=open_key(directory / "results.key", passphrase=passphrase),
        results_certificate=certificate_in(directory / "results.pem"),
        others=tuple(_other(each, passphrase=passphrase, publish_at=publish_at) for each in others),
        trust=_trust([folder, *others]),
        rollover=rollover,
    )


def _other(folder: Path, *, passphrase: bytes, publish_at: str | None) -> OtherAuthority:
    issuing = certificate_in(folder / "issuing.pem")
    signer = issuing_signer(folder, passphrase=passphrase)
    lists = ListAuthority(issuer=issuer_of(issuing, publish_at=publish_at), signer=signer)
    return OtherAuthority(issuing=issuing, lists=lists, ocsp=_responder(folder, issuing, passphrase))


def _trust(folders: list[Path]) -> tuple[x509.Certificate, ...]:
    """Return issuing CA and root of each folder; cross-certificates last, and only while both sides are in service."""
    names = ["issuing.pem", "root.pem"]
    files = [folder / name for folder in folders for name in names]
    if len(folders) > 1:
        crossed = (folder / name for folder in folders for name in (CROSS, FORMER_CROSS))
        files += [file for file in crossed if file.exists()]
    return tuple(dict.fromkeys(each for file in files for each in certificates_in(file)))


def _responder(directory: Path, issuing: x509.Certificate, passphrase: bytes) -> OcspSigner | None:
    if not (directory / "ocsp.pem").exists():
        return None
    signer = open_signer(directory / "ocsp.key", passphrase=passphrase)
    return OcspSigner(certificate=certificate_in(directory / "ocsp.pem"), issuer=issuing, signer=signer)


def certificate_in(path: Path) -> x509.Certificate:
    """Return the first certificate of a PEM file; raises AuthorityMissingError, PathError."""
    return certificates_in(path)[0]


def certificates_in(path: Path) -> tuple[x509.Certificate, ...]:
    """Return every certificate of a PEM file; raises AuthorityMissingError, PathError."""
    try:
        return tuple(map(load_certificate, split_certificates(path.read_bytes())))
    except FileNotFoundError as cause:
        raise AuthorityMissingError(f"`{path}` is missing") from cause


def renew_services(
    directory: Path,
    *,
    passphrase: bytes,
    names: FleetNames,
    now: datetime,
    entropy: Entropy,
    publish_at: str | None = None,
) -> tuple[str, ...]:
    """Return which of `results`, `ocsp` and `tls` had passed half of its life and was certified again; call at start.

    An authority from before there was OCSP gets its responder here.
    Only the issuing CA's key is opened. Raises what `open_authority` and issuing raise.
    """
    registrar = Registrar()
    finish_new_key(directory / "tls", passphrase=passphrase)
    stored = open_authority(directory, passphrase=passphrase, registrar=registrar, publish_at=publish_at)
    ledger = CeremonyLog(directory / "ceremony.jsonl", registrar, now=now)
    services = Services(authority=stored.authority, ledger=ledger, now=now, entropy=entropy, by=RENEWAL)
    renewed = []
    if _is_due(stored.results_certificate, now, stored.issuing):
        services.certify(directory / "results.pem", stored.results_key, result_signer_terms(), fleet=names.fleet)
        renewed.append("results")
    for name in stored.rollover.served:
        if not _has_current_responder(directory / name, now):
            own = authority_in(directory / name, passphrase=passphrase, registrar=registrar)
            certify_responder(directory / name, own, services, fleet=names.fleet, passphrase=passphrase)
            renewed.append("ocsp")
    chain = tls_issuer(stored.rollover, directory).read_text()
    if _is_due(certificate_in(stored.tls_chain), now, stored.issuing) or not stored.tls_chain.read_text().endswith(
        chain
    ):
        key = open_key(stored.tls_key, passphrase=passphrase)
        terms = tls_server_terms(hosts=names.host_names, addresses=names.host_addresses)
        services.certify(stored.tls_chain, key, terms, fleet=names.fleet, chain=chain)
        renewed.append("tls")
    return tuple(renewed)


def tls_issuer(rollover: Rollover, directory: Path) -> Path:
    """Return the certificate of our issuer that clients are sent: in the overlap, one that the old root vouches for.

    A device that was away knows the old root only, one that was not knows both.
    """
    folder = directory / rollover.current
    crossed = rollover.state is RolloverState.SWITCHED and (folder / CROSS).exists()
    return folder / (CROSS if crossed else "issuing.pem")


def authority_in(folder: Path, *, passphrase: bytes, registrar: Registrar) -> Authority:
    """Return the issuing authority whose files stand in `folder`."""
    signer = issuing_signer(folder, passphrase=passphrase)
    return Authority(issuer=issuer_of(certificate_in(folder / "issuing.pem")), signer=signer, registrar=registrar)


def certify_responder(folder: Path, own: Authority, services: Services, *, fleet: str, passphrase: bytes) -> None:
    """Write the OCSP responder's certificate of the CA in `folder`, and make its key if there is none."""
    key = _responder_key(folder / "ocsp.key", passphrase=passphrase, entropy=services.entropy)
    replace(services, authority=own).certify(folder / "ocsp.pem", key, ocsp_signer_terms(), fleet=fleet)


def _has_current_responder(folder: Path, now: datetime) -> bool:
    file = folder / "ocsp.pem"
    return file.exists() and not _is_due(certificate_in(file), now, certificate_in(folder / "issuing.pem"))


def _responder_key(path: Path, *, passphrase: bytes, entropy: Entropy) -> PrivateKey:
    if not path.exists():
        write_key(path, generate(KeyType.P256), passphrase=passphrase, entropy=entropy)
    return open_key(path, passphrase=passphrase)


def _is_due(certificate: x509.Certificate, now: datetime, issuing: x509.Certificate) -> bool:
    """Tell whether half of its life is over, or it comes from a CA that another one follows."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= start + (end - start) / 2 or certificate.issuer != issuing.subject
