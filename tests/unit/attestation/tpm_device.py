"""A device with a TPM for tests: its keys, its vendor's CA, and check-ins it would make."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from policyengine.attestation.anchors import PublicKey, TrustAnchors
from policyengine.attestation.formats import Verified
from policyengine.attestation.verifier import verify
from policyengine.model.endorsements import ReferenceValues
from policyengine.simulation import tpm, tpm_log

MEDIA_TYPE = "application/vnd.policyengine.tpm+cbor"
NONCE = bytes(range(32))
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def ec_key(number: int, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(number, curve or ec.SECP256R1())


@cache
def rsa_key(name: str, *, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """Return one RSA key a name; making one takes a tenth of a second."""
    return rsa.generate_private_key(exponent, 2048)


EK = tpm.TpmKey(private=ec_key(0x3001), template=tpm.EK)
AK = tpm.TpmKey(private=ec_key(0x3002), template=tpm.AK, parent=EK.qualified_name)
DEVICE_KEY = tpm.TpmKey(private=ec_key(0x3003), template=tpm.DEVICE_KEY, parent=EK.qualified_name)
OTHER = ec_key(0x3004)
CA_KEY = ec_key(0x3005)

BOOT = tpm_log.boot()
LOG = tpm_log.eventlog(BOOT)
VALUES = {"sha256": tpm_log.pcrs(BOOT)}


def rsa_ak(**template: object) -> tpm.TpmKey:
    return tpm.TpmKey(private=rsa_key("ak"), template=replace(tpm.RSA_AK, **template), parent=EK.qualified_name)


def ak(**template: object) -> tpm.TpmKey:
    return replace(AK, template=replace(tpm.AK, **template))


CA_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TPM Vendor EK CA")])
TPM_NAME = x509.Name(
    [
        x509.NameAttribute(x509.ObjectIdentifier("2.23.133.2.1"), "id:49465800"),
        x509.NameAttribute(x509.ObjectIdentifier("2.23.133.2.2"), "SLB9670"),
        x509.NameAttribute(x509.ObjectIdentifier("2.23.133.2.3"), "id:0755"),
    ]
)
EK_PURPOSE = "2.23.133.8.1"


def _builder(subject: x509.Name, key: PublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(CA_NAME)
        .public_key(key)
        .serial_number(7)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(CA_KEY.public_key()), critical=False)
    )


def vendor_ca() -> x509.Certificate:
    authority = _builder(CA_NAME, CA_KEY.public_key()).add_extension(x509.BasicConstraints(True, 0), critical=True)
    return authority.sign(CA_KEY, hashes.SHA256())


def ek_certificate(key: PublicKey | None = None, *, purpose: str | None = EK_PURPOSE) -> bytes:
    """Return an EK certificate as vendors make them: no subject, the TPM in critical alternative names."""
    builder = _builder(x509.Name([]), key or EK.private.public_key())
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DirectoryName(TPM_NAME)]), critical=True)
    if purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose)]), critical=False)
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def iak_certificate(key: PublicKey | None = None, *, purpose: str | None = "2.23.133.8.3") -> bytes:
    """Return an IAK certificate as makers of devices issue them, here by the CA that also has the EK's."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, "AC-1")])
    builder = _builder(name, key or AK.private.public_key())
    if purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose)]), critical=False)
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(Encoding.DER)


CHAIN = (ek_certificate(),)
IAK_CHAIN = (iak_certificate(),)
ANCHORS = TrustAnchors(keys=(AK.private.public_key(),), certificates=(vendor_ca(),))


def anchors(*keys: tpm.TpmKey) -> TrustAnchors:
    return TrustAnchors(keys=tuple(key.private.public_key() for key in keys), certificates=(vendor_ca(),))


def parts(by: tpm.TpmKey = AK, **changed: object) -> dict[str, object]:
    """Return every part of a good check-in, with `changed` arguments of `simulation.tpm.tpm_evidence`."""
    usual: dict[str, object] = {"nonce": NONCE, "values": VALUES, "ek": EK, "ek_chain": CHAIN, "eventlog": LOG}
    return tpm.tpm_evidence(by, **(usual | {"certified": DEVICE_KEY} | changed))


def appraised(
    found: dict[str, object],
    *,
    trust: TrustAnchors = ANCHORS,
    nonce: bytes = NONCE,
    endorsements: ReferenceValues | None = None,
) -> Verified:
    return verify(
        tpm.make_tpm_evidence(found),
        media_type=MEDIA_TYPE,
        nonce=nonce,
        anchors=trust,
        endorsements=endorsements,
        now=NOW,
    )


def facts(found: dict[str, object], **arguments: object) -> dict[str, dict[str, object]]:
    verified = appraised(found, **arguments)
    assert verified.failed == ()
    assert verified.accepted
    return dict(verified.facts)
