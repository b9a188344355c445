"""Makers for the tests of pki: a small hierarchy, orders, and certificates with one defect each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pki.authority import Authority, Order
from pki.hierarchy import Founding, Hierarchy, found
from pki.profile import Profile, Terms, compile_profile
from pki.request import ProvenKey, held_key, parse_request
from pki.reservation import IssuedCertificate, Registrar, Reservation, Reserved
from pki.software import SoftwareSigner

NOW = datetime(2026, 11, 23, tzinfo=UTC)
FIELDS = {"device.id": "gw-0001", "device.model": "gw-200", "fleet.name": "Plant A"}
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]  # generating keys is slow, and none is secret here


def entropy(label: str, size: int = 16) -> bytes:
    """Return bytes that differ by label, so that a failing test fails again."""
    return hashlib.shake_128(label.encode()).digest(size)


class MemoryLedger:
    """A Ledger that remembers steps in order; durable enough for a test."""

    def __init__(self, registrar: Registrar) -> None:
        self.registrar = registrar
        self.steps: list[tuple[str, str]] = []

    def reserve(self, reservation: Reservation) -> Reserved:
        assert ("reserved", reservation.serial) not in self.steps
        self.steps.append(("reserved", reservation.serial))
        return self.registrar.committed(reservation)

    def complete(self, issued: IssuedCertificate) -> None:
        self.steps.append(("issued", issued.reservation.serial))

    def abort(self, reservation: Reservation, *, reason: str) -> None:
        self.steps.append((f"aborted {reason}", reservation.serial))


@dataclass(frozen=True, slots=True, kw_only=True)
class TierSource:
    lifetime: timedelta | None = None
    eku: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSource:
    name: str = "gateway"
    key: tuple[str, ...] = ("p256", "ed25519")
    lifetime: timedelta = timedelta(days=14)
    renew_at: float = 0.5
    late_renewal: timedelta | None = None
    subject: str = "CN={device.id},OU={device.model}"
    san_dns: tuple[str, ...] = ("{device.id}.devices.example",)
    san_uri: tuple[str, ...] = ("urn:dev:{device.id}",)
    eku: tuple[str, ...] = ("client-auth",)
    tiers: dict[str, TierSource] = field(
        default_factory=lambda: {"full": TierSource(), "limited": TierSource(lifetime=timedelta(hours=24))}
    )


def profile(**changes: object) -> Profile:
    return compile_profile(replace(ProfileSource(), **changes))


def terms(tier: str = "full", **changes: object) -> Terms:
    return profile(**changes).for_tier(tier)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One founded hierarchy with its ledger."""

    hierarchy: Hierarchy
    ledger: MemoryLedger

    @property
    def authority(self) -> Authority:
        return self.hierarchy.authority

    @property
    def root(self) -> x509.Certificate:
        return self.hierarchy.root.certificate

    @property
    def issuing(self) -> x509.Certificate:
        return self.hierarchy.issuing.certificate


def world() -> World:
    registrar = Registrar()
    ledger = MemoryLedger(registrar)
    labels = iter(range(100))
    hierarchy = found(
        Founding(fleet_name="Plant A", domains=("devices.example",), addresses=(), now=NOW),
        root=SoftwareSigner(KEYS[0]),
        issuing=SoftwareSigner(KEYS[1]),
        ledger=ledger,
        registrar=registrar,
        entropy=lambda size: entropy(f"founding {next(labels)}", size),
    )
    return World(hierarchy=hierarchy, ledger=ledger)


def csr(
    key: ec.EllipticCurvePrivateKey,
    *,
    subject: str = "asked",
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def proven(key: ec.EllipticCurvePrivateKey = KEYS[2]) -> ProvenKey:
    return parse_request(csr(key))


def order(**changes: object) -> Order:
    basis = Order(terms=terms(), key=held_key(SoftwareSigner(KEYS[2])), fields=FIELDS, authorization="sha256:decision")
    return replace(basis, **changes)


Extensions = list[tuple[x509.ExtensionType, bool]]


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def ca_extensions(key: ec.EllipticCurvePrivateKey, above: ec.EllipticCurvePrivateKey) -> Extensions:
    return [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (usage(sign_certificates=True), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), False),
    ]


def leaf_extensions(above: ec.EllipticCurvePrivateKey) -> Extensions:
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage(sign_certificates=False), True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), False),
    ]


def swapped(extensions: Extensions, value: x509.ExtensionType, *, critical: bool) -> Extensions:
    """The same extensions with the one of this kind replaced, or added."""
    return [pair for pair in extensions if pair[0].oid != value.oid] + [(value, critical)]


def without(extensions: Extensions, kind: type[x509.ExtensionType]) -> Extensions:
    return [pair for pair in extensions if not isinstance(pair[0], kind)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """root (KEYS[0]) -> issuing (KEYS[1]) -> leaf (KEYS[2]); each part can be given a defect before it is made."""

    root_extensions: Extensions = field(default_factory=lambda: ca_extensions(KEYS[0], KEYS[0]))
    issuing_extensions: Extensions = field(default_factory=lambda: ca_extensions(KEYS[1], KEYS[0]))
    leaf_extensions: Extensions = field(default_factory=lambda: leaf_extensions(KEYS[1]))
    leaf_subject: x509.Name = field(default_factory=lambda: name("gw-0001"))
    leaf_issuer: x509.Name = field(default_factory=lambda: name("issuing"))
    leaf_key: object = field(default_factory=KEYS[2].public_key)
    leaf_signer: ec.EllipticCurvePrivateKey = field(default_factory=lambda: KEYS[1])
    issuing_subject: x509.Name = field(default_factory=lambda: name("issuing"))
    start: datetime = NOW - timedelta(days=1)
    leaf_end: datetime = NOW + timedelta(days=1)
    issuing_end: datetime = NOW + timedelta(days=30)
    root_end: datetime = NOW + timedelta(days=300)
    leaf_hash: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)

    def root(self) -> x509.Certificate:
        return made(
            name("root"), name("root"), KEYS[0].public_key(), KEYS[0], self.root_extensions, self, self.root_end
        )

    def issuing(self) -> x509.Certificate:
        key = KEYS[1].public_key()
        return made(self.issuing_subject, name("root"), key, KEYS[0], self.issuing_extensions, self, self.issuing_end)

    def leaf(self) -> x509.Certificate:
        return made(
            self.leaf_subject,
            self.leaf_issuer,
            self.leaf_key,
            self.leaf_signer,
            self.leaf_extensions,
            self,
            self.leaf_end,
            self.leaf_hash,
        )


def made(
    subject: x509.Name,
    issuer: x509.Name,
    key: object,
    signer: ec.EllipticCurvePrivateKey,
    extensions: Extensions,
    chain: Chain,
    end: datetime,
    digest: hashes.HashAlgorithm | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(int.from_bytes(entropy(repr((subject, issuer, end))), "big") >> 1)
        .not_valid_before(chain.start)
        .not_valid_after(end)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(signer, digest or hashes.SHA256())


Change = Callable[[Chain], Chain]
