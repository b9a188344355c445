"""`policyengine pki issue` and `renew` for our own services, on a data directory without a running server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner, Result

from pki.reservation import pem_of
from policyengine.adapters.keyfile import open_key, read_passphrase
from policyengine.cli.exits import Exit
from policyengine.cli.pki import app
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import MissingError
from policyengine.services.ports import PageRequest
from policyengine.settings import Settings
from policyengine.wiring import build, opened
from tests.unit.pki.making import KEYS, csr


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("installation")
    build(Settings(data=directory)).close()
    (directory / "request.der").write_bytes(csr(KEYS[0]))
    return directory


def run(data: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--data", str(data)])


def issued(data: Path, *arguments: object) -> x509.Certificate:
    out = data / "issued.pem"
    result = run(data, "issue", "--csr", data / "request.der", "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    return x509.load_pem_x509_certificates(out.read_bytes())[0]


def test_an_ocsp_signer_elsewhere_gets_the_delegated_usage_and_is_not_checked_itself(data: Path) -> None:
    """RFC 6960 sections 4.2.2.2 and 4.2.2.2.1."""
    certificate = issued(data, "--role", "ocsp-signer")
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [each.dotted_string for each in usage] == ["1.3.6.1.5.5.7.3.9"]
    assert certificate.extensions.get_extension_for_class(x509.OCSPNoCheck)


def test_a_tls_server_elsewhere_gets_the_hosts_that_the_person_names(data: Path) -> None:
    certificate = issued(data, "--role", "tls-server", "--host", "localhost", "--host", "127.0.0.1")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each.value) for each in names] == ["localhost", "127.0.0.1"]


def test_a_host_outside_the_names_of_the_ca_is_refused_before_anything_is_signed(data: Path) -> None:
    """RFC 5280 section 4.2.1.10."""
    result = run(data, "issue", "--csr", data / "request.der", "--role", "tls-server", "--host", "evil.example.org")
    assert "`dns:evil.example.org` is in no permitted subtree" in str(result.exception)


def test_the_certificate_verifies_below_the_root_with_what_stands_behind_it(data: Path) -> None:
    issued(data, "--role", "tls-server", "--host", "localhost")
    anchors = ("--anchors", str(data / "keys" / "ca" / "root.pem"), "--purpose", "server-auth")
    result = CliRunner().invoke(app, ["verify", *anchors, str(data / "issued.pem")])
    assert json.loads(result.stdout)["accepted"] is True


def test_who_had_it_made_stands_in_the_audit_log(data: Path) -> None:
    issued(data, "--role", "ocsp-signer", "--reason", "responder in plant B")
    with opened(Settings(data=data)) as installation:
        event = installation.services.audit.events(SYSTEM, PageRequest()).items[0]
    assert (event.action, event.detail["reason"]) == ("certificate.issue-ocsp-signer", "responder in plant B")
    assert event.actor.startswith("local:")


def test_the_servers_own_certificate_is_made_anew_for_its_names_of_today(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICYENGINE_PUBLIC_NAMES", "localhost")
    file = data / "keys" / "ca" / "tls.pem"
    before = x509.load_pem_x509_certificate(file.read_bytes())
    result = run(data, "renew", "--own", "tls")
    after = x509.load_pem_x509_certificate(file.read_bytes())
    names = after.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert result.exit_code == 0
    assert [str(each.value) for each in names] == ["localhost"]
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    assert after.public_key().public_bytes(*form) == before.public_key().public_bytes(*form)


def test_a_new_key_for_the_server_comes_with_its_certificate(data: Path) -> None:
    file = data / "keys" / "ca" / "tls.pem"
    before = x509.load_pem_x509_certificate(file.read_bytes())
    result = run(data, "renew", "--own", "tls", "--new-key")
    after = x509.load_pem_x509_certificate(file.read_bytes())
    key = open_key(file.with_suffix(".key"), passphrase=read_passphrase(data / "keys" / "passphrase"))
    assert result.exit_code == 0
    assert after.public_key() == key.public_key()
    assert after.public_key() != before.public_key()


def test_the_servers_own_certificate_is_revoked_and_what_to_do_is_said(data: Path) -> None:
    file = data / "keys" / "ca" / "tls.pem"
    serial = f"{x509.load_pem_x509_certificate(file.read_bytes()).serial_number:x}"
    result = run(data, "revoke", serial, "--reason", "keyCompromise")
    assert f"{serial} is revoked: keyCompromise\nit is this server's own: `pki renew --own tls" in result.stdout
    listed = json.loads(run(data, "services", "--output", "json").stdout)
    assert {each["status"] for each in listed if each["serial"] == serial} == {"revoked"}


def test_an_issued_one_is_revoked_by_its_serial_number(data: Path) -> None:
    serial = issued(data, "--role", "tls-server", "--host", "localhost").serial_number
    assert run(data, "revoke", f"0x{serial:X}").stdout == f"{serial:x} is revoked: unspecified\n"


def test_a_device_that_nobody_announced_gets_nothing(data: Path) -> None:
    result = run(data, "issue", "gw-9999", "--csr", data / "request.der")
    assert isinstance(result.exception, MissingError)


@pytest.mark.parametrize(
    "arguments",
    [
        ("issue",),
        ("issue", "gw-1"),
        ("issue", "--csr", "request.der"),
        ("issue", "gw-1", "--csr", "request.der", "--role", "ocsp-signer"),
        ("issue", "gw-1", "--csr", "request.der", "--host", "localhost"),
        ("issue", "--csr", "request.der", "--role", "tls-server"),
        ("issue", "gw-1", "--csr", "no-such-file"),
        ("revoke",),
        ("revoke", "1f", "--certificate", "request.der"),
        ("revoke", "--certificate", "no-such-file"),
        ("renew", "gw-1", "--csr", "request.der", "--new-key"),
        ("renew",),
        ("renew", "gw-1"),
        ("renew", "gw-1", "--csr", "request.der", "--own", "tls"),
        ("renew", "--csr", "request.der", "--own", "tls"),
    ],
)
def test_a_command_that_names_too_little_or_too_much_is_a_mistake_of_usage(
    data: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    assert run(data, *arguments).exit_code == Exit.USAGE


def test_a_request_that_does_not_prove_its_key_is_refused(data: Path) -> None:
    """RFC 2986 section 4.2: one flipped bit in the signature."""
    (data / "broken.der").write_bytes(csr(KEYS[0])[:-1] + bytes([csr(KEYS[0])[-1] ^ 1]))
    result = run(data, "issue", "--csr", data / "broken.der", "--role", "ocsp-signer")
    assert getattr(result.exception, "code", None) in {"csr.possession", "csr.malformed"}


def test_a_request_in_pem_serves_as_well(data: Path) -> None:
    body = pem_of(csr(KEYS[0])).replace("CERTIFICATE", "CERTIFICATE REQUEST")
    (data / "request.pem").write_text(body)
    assert run(data, "issue", "--csr", data / "request.pem", "--role", "ocsp-signer").exit_code == 0
