"""Make the starter pack's example keys: vendor roots and the parties' public keys. The private halves are thrown away.

Run from the root of the tree: `python tests/pack/make_example_keys.py`. A fleet replaces all of them with its own.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

ANCHORS = Path("policies/trust-anchors")
VENDORS = {"acme": "Acme Devices", "borealis": "Borealis Automation"}
PARTIES = ("it", "engineering", "operations", "vendor-acme", "vendor-borealis")


def example_root(organization: str) -> bytes:
    """Return a self-signed CA certificate in PEM whose key nobody has."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organization} IDevID Root (example)"),
        ]
    )
    key_usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2056, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(key_usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def example_party_key() -> str:
    """Return an Ed25519 public key in standard base64 whose private half nobody has."""
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    return base64.b64encode(public.public_bytes_raw()).decode()


def main() -> None:
    """Write the roots and print the parties' keys."""
    for vendor, organization in VENDORS.items():
        (ANCHORS / f"{vendor}-idevid-root.pem").write_bytes(example_root(organization))
    for party in PARTIES:
        print(f"{party}: {example_party_key()}")  # noqa: T201 - a script that prints


if __name__ == "__main__":
    main()
