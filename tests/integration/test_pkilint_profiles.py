"""pkilint finds nothing at WARNING or above in a certificate of any profile, tier or role that we issue."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pki.authority import Authority, issue, issuer_of
from pki.builtin import ocsp_signer_terms, result_signer_terms, tls_server_terms
from pki.hierarchy import Founding, certify_issuing, found
from pki.keys import KeyType
from pki.profile import Terms, compile_profile
from pki.request import held_key
from pki.reservation import IssuedCertificate, Registrar
from pki.software import SoftwareSigner
from policyengine.adapters.keyfile import generate
from tests.support.site import policies
from tests.unit.pki.making import KEYS, NOW, MemoryLedger, entropy, order

BASE = "http://pki.devices.example/pki"
DOMAINS = ("devices.example",)
FIELDS = {
    "device.id": "gw-0001",
    "device.serial": "AC-00000001",
    "device.model": "gw-200",
    "device.vendor": "vendor-acme",
    "device.class": "gateway",
    "device.site": "plant-a",
    "device.zone": "line-1",
    "device.hw_version": "2",
    "fleet.name": "Plant A",
}


def device_terms() -> dict[str, Terms]:
    """Return the terms of every tier that the starter pack's profiles issue in, by name.

    pkilint takes every `urn:` for a malformed URI (RFC 8141 says otherwise), so these have none.
    """
    bundle = policies()[1].bundle
    assert bundle is not None
    compiled = [compile_profile(source) for source in bundle.profiles]
    return {
        f"{profile.name}-{tier}": replace(terms, uri=())
        for profile in compiled
        for tier, terms in profile.tiers.items()
    }


BUILT_IN = {
    "tls-server": tls_server_terms(hosts=("server.devices.example",), addresses=()),
    "result-signer": result_signer_terms(),
    "ocsp-signer": ocsp_signer_terms(),
}
KEY_TYPES = [KeyType.P256, KeyType.P384, KeyType.ED25519]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of every profile and tier, of every built-in role, and both cross-certificates of a rollover."""
    there = tmp_path_factory.mktemp("profiles")
    registrar = Registrar()
    ledger = MemoryLedger(registrar)
    draws = iter(range(1000))

    def draw(size: int) -> bytes:
        return entropy(f"profiles {next(draws)}", size)

    founding = Founding(fleet_name="Plant A", domains=DOMAINS, addresses=(), now=NOW)
    made = found(
        founding,
        root=SoftwareSigner(KEYS[0]),
        issuing=SoftwareSigner(KEYS[1]),
        ledger=ledger,
        registrar=registrar,
        entropy=draw,
    )
    above = Authority(issuer=issuer_of(made.root.certificate), signer=SoftwareSigner(KEYS[0]), registrar=registrar)
    following = replace(founding, fleet_name="Plant A G2")
    issued: dict[str, IssuedCertificate] = {
        "cross": certify_issuing(following, above, SoftwareSigner(KEYS[2]), ledger, draw)
    }
    issuer = issuer_of(made.issuing.certificate, publish_at=BASE)
    authority = Authority(issuer=issuer, signer=SoftwareSigner(KEYS[1]), registrar=registrar)
    for name, terms in (device_terms() | BUILT_IN).items():
        for kind in KEY_TYPES:
            if kind in terms.keys:
                asked = order(terms=terms, key=held_key(SoftwareSigner(generate(kind))), fields=FIELDS)
                made_now = issue(authority, ledger, asked, now=NOW, entropy=draw(16))
                issued[f"{name}-{kind.value}"] = made_now
    for name, certificate in issued.items():
        (there / f"{name}.pem").write_text(certificate.pem)
    return there


def run(program: str, file: Path) -> str:
    said = subprocess.run([program, "lint", "-s", "WARNING", file], capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).strip() or ("" if said.returncode == 0 else f"exit {said.returncode}")


def test_pkilint_finds_nothing_at_warning_or_above_in_any_profile(folder: Path) -> None:
    """RFC 5280, as pkilint reads it; one process a file, because the program takes one."""
    program = str(Path(sys.executable).parent / "lint_pkix_cert")
    said = {file.name: run(program, file) for file in sorted(folder.iterdir())}
    found = {name: text for name, text in said.items() if text}
    assert found == {}


def test_every_tier_of_every_profile_is_among_the_linted(folder: Path) -> None:
    names = {file.stem.rpartition("-")[0] for file in folder.iterdir()}
    assert {"gateway-full", "gateway-limited", "tls-server", "result-signer", "ocsp-signer"} <= names
