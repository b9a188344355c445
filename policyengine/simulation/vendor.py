"""A vendor's test CA: a root, an IDevID issuing CA, and the IDevIDs of simulated devices (IEEE 802.1AR-2018 section 8).

Made with `cryptography`'s builder on purpose: what our own validation accepts should not come from our own encoder.
Pure: keys, entropy and time are arguments. Never a CA to trust.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

from pki import der

HARDWARE_MODULE_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.4")  # RFC 4108 section 5
IAK_PURPOSE = ObjectIdentifier("2.23.133.8.3")  # tcg-kp-AIKCertificate
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280 section 4.1.2.5: no well-defined expiration
CA_LIFETIME = timedelta(days=9131)
SERIAL_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorCa:
    """A vendor's hierarchy; `issuing_key` is a test key."""

    vendor: str
    root: x509.Certificate
    issuing: x509.Certificate
    issuing_key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareModule:
    """What identifies the module that holds the key: the vendor's type (dotted OID) and its serial number."""

    type: str
    serial: bytes


def make_vendor_ca(
    vendor: str,
    *,
    root_key: ec.EllipticCurvePrivateKey,
    issuing_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    entropy: bytes,
) -> VendorCa:
    """Return a new vendor's CA, valid from `now`; `entropy` is 32 octets."""
    root_name = _name(vendor, f"{vendor} IDevID root")
    root = _ca(root_name, root_name, root_key, root_key, path_length=1, now=now, serial=entropy[:SERIAL_BYTES])
    name = _name(vendor, f"{vendor} IDevID issuing CA")
    issuing = _ca(name, root_name, issuing_key, root_key, path_length=0, now=now, serial=entropy[SERIAL_BYTES:])
    return VendorCa(vendor=vendor, root=root, issuing=issuing, issuing_key=issuing_key)


def issue_idevid(
    ca: VendorCa,
    public_key: ec.EllipticCurvePublicKey,
    *,
    serial_number: str,
    model: str,
    hardware: HardwareModule,
    now: datetime,
    entropy: bytes,
) -> x509.Certificate:
    """Return an IDevID that never expires; `entropy` is 16 octets.

    Subject: O vendor, OU and CN model, serialNumber; SAN: HardwareModuleName.
    """
    subject = _device(ca, serial_number=serial_number, model=model)
    return _end_entity(ca, subject, public_key, hardware, now=now, entropy=entropy).sign(
        ca.issuing_key, hashes.SHA256()
    )


def issue_iak(
    ca: VendorCa,
    public_key: ec.EllipticCurvePublicKey,
    *,
    serial_number: str,
    model: str,
    hardware: HardwareModule,
    now: datetime,
    entropy: bytes,
    purpose: ObjectIdentifier | None = IAK_PURPOSE,
) -> x509.Certificate:
    """Return the certificate of a TPM's initial attestation key, named as the device's IDevID is."""
    subject = _device(ca, serial_number=serial_number, model=model)
    builder = _end_entity(ca, subject, public_key, hardware, now=now, entropy=entropy)
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(ca.issuing_key, hashes.SHA256())


def _device(ca: VendorCa, *, serial_number: str, model: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ca.vendor),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, model),
            x509.NameAttribute(NameOID.COMMON_NAME, model),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, serial_number),
        ]
    )


def _end_entity(
    ca: VendorCa,
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    hardware: HardwareModule,
    *,
    now: datetime,
    entropy: bytes,
) -> x509.CertificateBuilder:
    module = der.sequence(der.oid(hardware.type), der.octet_string(hardware.serial))
    builder = _builder(subject, ca.issuing.subject, public_key, ca.issuing_key, serial=entropy)
    return (
        builder.not_valid_before(now)
        .not_valid_after(NEVER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.OtherName(HARDWARE_MODULE_NAME, module)]), critical=False)
    )


def _ca(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    path_length: int,
    now: datetime,
    serial: bytes,
) -> x509.Certificate:
    return (
        _builder(subject, issuer, key.public_key(), issuer_key, serial=serial)
        .not_valid_before(now)
        .not_valid_after(now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    serial: bytes,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(int.from_bytes(b"\x01" + serial, "big"))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _name(vendor: str, common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, vendor), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
