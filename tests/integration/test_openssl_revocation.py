"""Second opinions on our lists and answers: `openssl crl`, `openssl verify -crl_check`, `openssl ocsp`, pkilint."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pki.authority import Authority, issue, issuer_of
from pki.builtin import ocsp_signer_terms
from pki.crl_encoding import EntryReason, ListPlan, encode_entry
from pki.crl_issuing import ListAuthority
from pki.hierarchy import Founding, found
from pki.ocsp_request import parse_ocsp_request
from pki.ocsp_response import Answered, OcspSigner, Status
from pki.publication import shard_of
from pki.request import held_key
from pki.reservation import Registrar
from pki.software import SoftwareSigner
from tests.unit.pki.making import KEYS, MemoryLedger, entropy, order, terms

NOW = datetime.now(UTC).replace(microsecond=0)
BASE = "http://pki.devices.example/pki"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """root, issuing, device and responder certificates; a clean and a revoking shard; a delta."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    there = tmp_path_factory.mktemp("revocation")
    registrar = Registrar()
    ledger = MemoryLedger(registrar)
    draws = iter(range(100))
    hierarchy = found(
        Founding(fleet_name="Plant A", domains=("devices.example",), addresses=(), now=NOW),
        root=SoftwareSigner(KEYS[0]),
        issuing=SoftwareSigner(KEYS[1]),
        ledger=ledger,
        registrar=registrar,
        entropy=lambda size: entropy(f"revocation {next(draws)}", size),
    )
    issuer = issuer_of(hierarchy.issuing.certificate, publish_at=BASE)
    authority = Authority(issuer=issuer, signer=SoftwareSigner(KEYS[1]), registrar=registrar)
    # NOTE: pkilint takes every `urn:` for a malformed URI (RFC 8141 says otherwise), so this device has none
    device = order(terms=terms(san_uri=()))
    leaf = issue(authority, ledger, device, now=NOW, entropy=entropy("revoked leaf"))
    responder_order = order(terms=ocsp_signer_terms(), key=held_key(SoftwareSigner(KEYS[3])))
    responder = issue(authority, ledger, responder_order, now=NOW, entropy=entropy("responder"))
    for name, issued in (
        ("root", hierarchy.root),
        ("issuing", hierarchy.issuing),
        ("leaf", leaf),
        ("responder", responder),
    ):
        (there / f"{name}.pem").write_text(issued.pem)
    (there / "bundle.pem").write_text(hierarchy.root.pem + hierarchy.issuing.pem)
    serial = leaf.certificate.serial_number
    assert issuer.publication is not None
    url, delta = issuer.publication.shard_url(shard_of(serial)), issuer.publication.delta_url(shard_of(serial))
    lists = ListAuthority(issuer=issuer, signer=SoftwareSigner(KEYS[1]))
    times = {"this_update": NOW, "next_update": NOW + timedelta(days=1)}
    revoked = encode_entry(serial, since=NOW, reason=EntryReason.KEY_COMPROMISE)
    for name, plan, entries in (
        ("clean", ListPlan(issuer=issuer, number=1, url=url, freshest=delta, **times), ()),
        ("revoking", ListPlan(issuer=issuer, number=2, url=url, freshest=delta, **times), (revoked,)),
        ("delta", ListPlan(issuer=issuer, number=3, base=1, url=url, **times), (revoked,)),
    ):
        (there / f"{name}.crl").write_bytes(lists.sign_list(plan, entries, now=NOW))
    signer = OcspSigner(
        certificate=responder.certificate, issuer=hierarchy.issuing.certificate, signer=SoftwareSigner(KEYS[3])
    )
    run(
        there,
        *[
            "openssl",
            "ocsp",
            "-sha256",
            "-no_nonce",
            "-issuer",
            "issuing.pem",
            "-cert",
            "leaf.pem",
            "-reqout",
            "request.der",
        ],
    )
    request = parse_ocsp_request((there / "request.der").read_bytes())
    when = Answered(at=NOW, until=NOW + timedelta(hours=1))
    for name, status in (
        ("good", Status()),
        ("revoked", Status(revoked_at=NOW, reason=EntryReason.KEY_COMPROMISE)),
        ("unknown", None),
    ):
        (there / f"{name}.resp").write_bytes(signer.answer(request, [status], when))
    return there


def run(there: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=there, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["clean", "revoking", "delta"])
def test_openssl_verifies_the_list(folder: Path, name: str) -> None:
    said = run(folder, *["openssl", "crl", "-inform", "DER", "-CAfile", "bundle.pem", "-noout", "-in"], f"{name}.crl")
    assert "verify OK" in said.stderr


@pytest.mark.parametrize(("name", "verdict"), [("clean", 0), ("revoking", 2)])
def test_openssl_judges_the_path_by_the_shard(folder: Path, name: str, verdict: int) -> None:
    run(folder, "openssl", "crl", "-inform", "DER", "-in", f"{name}.crl", "-out", f"{name}.pem")
    command = "openssl verify -x509_strict -extended_crl -crl_check -CAfile root.pem -untrusted issuing.pem -CRLfile"
    said = run(folder, *command.split(), f"{name}.pem", "leaf.pem")
    assert said.returncode == verdict, said.stderr
    assert ("certificate revoked" in said.stderr) is (verdict == 2)


def test_openssl_applies_the_delta(folder: Path) -> None:
    lists = "".join(
        run(folder, "openssl", "crl", "-inform", "DER", "-in", f"{name}.crl").stdout for name in ("clean", "delta")
    )
    (folder / "both.pem").write_text(lists)
    command = "openssl verify -extended_crl -use_deltas -crl_check -CAfile root.pem -untrusted issuing.pem -CRLfile"
    said = run(folder, *command.split(), "both.pem", "leaf.pem")
    assert "certificate revoked" in said.stderr


@pytest.mark.parametrize("status", ["good", "revoked", "unknown"])
def test_openssl_believes_the_answer(folder: Path, status: str) -> None:
    command = "openssl ocsp -sha256 -no_nonce -issuer issuing.pem -cert leaf.pem -CAfile bundle.pem -respin"
    said = run(folder, *command.split(), f"{status}.resp")
    assert "Response verify OK" in said.stderr
    assert f"leaf.pem: {status}" in said.stdout


def test_the_certificates_keep_their_form_for_openssl(folder: Path) -> None:
    for name in ("leaf", "responder"):
        command = "openssl verify -x509_strict -CAfile root.pem -untrusted issuing.pem"
        assert run(folder, *command.split(), f"{name}.pem").returncode == 0


LINTED = {
    "leaf": ["lint_pkix_cert", "lint", "-s", "WARNING", "leaf.pem"],
    "responder": ["lint_pkix_cert", "lint", "-s", "WARNING", "responder.pem"],
    "issuing": ["lint_pkix_cert", "lint", "-s", "WARNING", "issuing.pem"],
    "root": ["lint_pkix_cert", "lint", "-s", "WARNING", "root.pem"],
    "leaf-by-issuing": ["lint_pkix_signer_signee_cert_chain", "lint", "-s", "WARNING", "issuing.pem", "leaf.pem"],
    "clean": ["lint_crl", "lint", "-t", "CRL", "-p", "PKIX", "-s", "WARNING", "clean.crl"],
    "revoking": ["lint_crl", "lint", "-t", "CRL", "-p", "PKIX", "-s", "WARNING", "revoking.crl"],
    "delta": ["lint_crl", "lint", "-t", "CRL", "-p", "PKIX", "-s", "WARNING", "delta.crl"],
    "good": ["lint_ocsp_response", "lint", "-s", "WARNING", "good.resp"],
    "revoked": ["lint_ocsp_response", "lint", "-s", "WARNING", "revoked.resp"],
    "unknown": ["lint_ocsp_response", "lint", "-s", "WARNING", "unknown.resp"],
}


@pytest.mark.parametrize("object_", sorted(LINTED))
def test_pkilint_finds_nothing_at_warning_or_above(folder: Path, object_: str) -> None:
    program, *arguments = LINTED[object_]
    said = run(folder, str(Path(sys.executable).parent / program), *arguments)
    assert (said.returncode, said.stdout.strip()) == (0, ""), said.stdout + said.stderr
