"""A second opinion on everything we sign: `openssl verify` in its strict mode."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pki.authority import Order, issue
from pki.builtin import result_signer_terms, tls_server_terms
from pki.hierarchy import Founding, found
from pki.profile import Terms
from pki.request import held_key
from pki.reservation import Registrar
from pki.software import PrivateKey, SoftwareSigner
from tests.unit.pki.making import FIELDS, NOW, MemoryLedger, entropy, terms

HOSTS = ("localhost",)
ADDRESSES = (ip_address("127.0.0.1"), ip_address("::1"))
KINDS: dict[str, Terms] = {
    "device": terms(),
    "device-limited": terms("limited"),
    "device-without-names": terms(san_dns=(), san_uri=()),
    "tls-server": tls_server_terms(hosts=HOSTS, addresses=ADDRESSES),
    "result-signer": result_signer_terms(),
}
CA_KEYS: dict[str, PrivateKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
DEVICE = SoftwareSigner(ec.generate_private_key(ec.SECP256R1()))
ROOT = SoftwareSigner(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("ca", sorted(CA_KEYS))
def test_openssl_accepts_what_we_issue(tmp_path: Path, kind: str, ca: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    registrar = Registrar()
    ledger = MemoryLedger(registrar)
    draws = iter(range(10))
    hierarchy = found(
        Founding(fleet_name="Plant A", domains=("devices.example", *HOSTS), addresses=ADDRESSES, now=NOW),
        root=ROOT,
        issuing=SoftwareSigner(CA_KEYS[ca]),
        ledger=ledger,
        registrar=registrar,
        entropy=lambda size: entropy(f"openssl {ca} {next(draws)}", size),
    )
    order = Order(terms=replace(KINDS[kind]), key=held_key(DEVICE), fields=FIELDS, authorization="sha256:decision")
    leaf = issue(hierarchy.authority, ledger, order, now=NOW + timedelta(days=1), entropy=entropy("leaf"))
    for name, certificate in (("root", hierarchy.root), ("issuing", hierarchy.issuing), ("leaf", leaf)):
        (tmp_path / f"{name}.pem").write_text(certificate.pem)
    moment = str(int((NOW + timedelta(days=1)).timestamp()))
    command = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-attime", moment, "-CAfile", "root.pem"]
    verdict = subprocess.run(
        [*command, "-untrusted", "issuing.pem", "leaf.pem"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (verdict.returncode, verdict.stdout.strip()) == (0, "leaf.pem: OK"), verdict.stderr
