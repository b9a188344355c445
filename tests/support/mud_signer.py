"""Who signs MUD files for a maker, below the maker's CA; the signatures are made by `cryptography`, not by us."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

from policyengine.simulation.vendor import VendorCa

DAY = timedelta(days=1)
SignerKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KEY = ec.derive_private_key(0x8520, ec.SECP256R1())
SUBJECT = "CN=MUD signer"
_OPTIONS = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]


@dataclass(frozen=True, slots=True, kw_only=True)
class MudSigner:
    """A signer with its key and certificate, and the CA's certificate between it and the root."""

    certificate: x509.Certificate
    issuing: x509.Certificate
    key: SignerKey

    def sign(self, content: bytes, digest: pkcs7.PKCS7HashTypes | None = None) -> bytes:
        """Return a detached signature, DER, with both certificates inside."""
        builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
        signed = builder.add_signer(self.certificate, self.key, digest or hashes.SHA256())
        return signed.add_certificate(self.issuing).sign(Encoding.DER, _OPTIONS)


def make_signer(ca: VendorCa, *, now: datetime, signs: bool = True, key: SignerKey = KEY) -> MudSigner:
    """Return a signer below `ca`; its certificate is not for signatures where `signs` is false."""
    usage = x509.KeyUsage(signs, False, False, False, not signs, False, False, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MUD signer")]))
        .issuer_name(ca.issuing.subject)
        .public_key(key.public_key())
        .serial_number(0x8520)
        .not_valid_before(now - DAY)
        .not_valid_after(now + 365 * DAY)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.issuing_key.public_key()), critical=False)
        .sign(ca.issuing_key, hashes.SHA256())
    )
    return MudSigner(certificate=certificate, issuing=ca.issuing, key=key)
